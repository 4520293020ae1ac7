/* A receiver that costs next to nothing: it answers 202 to every POST and remembers when each came.
 *
 *     receiver [--keep] PORT[:DELAY_MS] ...
 *
 * It listens at each PORT of every loopback address (127.0.0.0/8) and answers there after DELAY_MS (0 when not given;
 * -1: never). Requests are HTTP/1.1 with a Content-Length, kept alive, pipelined or not. GET /count answers how many POSTs
 * were answered; GET /arrivals answers, with --keep, a line for each POST: when its last byte was read (nanoseconds of
 * CLOCK_MONOTONIC), the port, the body; and forgets them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 65536, MAX_PORTS = 16, MAX_REQUEST = 1 << 20, EVENTS = 256 };

typedef struct { char *data; size_t length, room; } Buffer;
typedef struct { int fd; unsigned generation; int64_t due; } Late;            /* an answer that is to wait */
typedef struct { int listener, number; int64_t delay; Late *late; size_t first, last, room; } Port;
typedef struct { Buffer input, output; Port *port; unsigned generation; int is_blocked; } Connection;

static const char ACCEPTED[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
static Connection connections[MAX_FDS];
static Port ports[MAX_PORTS];
static int port_count, polled, keeps;
static uint64_t answered;
static Buffer arrivals;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void *must(void *pointer) {
    if (!pointer) { fprintf(stderr, "out of memory\n"); exit(1); }
    return pointer;
}

static void append(Buffer *buffer, const char *data, size_t length) {
    if (buffer->length + length > buffer->room) {
        buffer->room = (buffer->length + length) * 2;
        buffer->data = must(realloc(buffer->data, buffer->room));
    }
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}

static void watch(int fd, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(polled, operation, fd, &event)) { perror("epoll_ctl"); exit(1); }
}

static void finish(int fd) {
    Connection *connection = &connections[fd];
    connection->generation++;              /* what is late for this connection reaches nobody else's */
    connection->input.length = connection->output.length = 0;
    connection->is_blocked = 0;
    close(fd);
}

static void flush(int fd) {
    Connection *connection = &connections[fd];
    Buffer *output = &connection->output;
    size_t sent = 0;
    while (sent < output->length) {
        ssize_t n = send(fd, output->data + sent, output->length - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) { finish(fd); return; }
        sent += n;
    }
    memmove(output->data, output->data + sent, output->length - sent);
    output->length -= sent;
    if (connection->is_blocked == (output->length > 0)) return;
    connection->is_blocked = output->length > 0;
    watch(fd, connection->is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
}

static void page(Buffer *output, const char *body, size_t length) {
    char head[96];
    append(output, head, snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", length));
    append(output, body, length);
}

static void put_off(int fd, Port *port) {
    if (port->delay < 0) return;
    if (port->last == port->room) {
        if (port->first > port->room / 2) {
            memmove(port->late, port->late + port->first, (port->last - port->first) * sizeof(Late));
            port->last -= port->first;
            port->first = 0;
        } else {
            port->room = port->room ? port->room * 2 : 1024;
            port->late = must(realloc(port->late, port->room * sizeof(Late)));
        }
    }
    port->late[port->last++] = (Late){fd, connections[fd].generation, now() + port->delay};
}

static void took(int fd, const char *body, size_t length) {
    Connection *connection = &connections[fd];
    if (keeps) {
        char head[64];
        append(&arrivals, head, snprintf(head, sizeof head, "%lld %d ", (long long)now(), connection->port->number));
        append(&arrivals, body, length);
        append(&arrivals, "\n", 1);
    }
    if (connection->port->delay) { put_off(fd, connection->port); return; }
    answered++;
    append(&connection->output, ACCEPTED, sizeof ACCEPTED - 1);
}

static void answer_late(void) {
    int64_t at = now();
    for (Port *port = ports; port < ports + port_count; port++)
        for (; port->first < port->last && port->late[port->first].due <= at; port->first++) {
            Late *late = &port->late[port->first];
            if (connections[late->fd].generation != late->generation) continue;
            answered++;
            append(&connections[late->fd].output, ACCEPTED, sizeof ACCEPTED - 1);
            flush(late->fd);
        }
}

static int wait_ms(void) {
    int64_t soonest = -1;
    for (Port *port = ports; port < ports + port_count; port++)
        if (port->first < port->last && (soonest < 0 || port->late[port->first].due < soonest))
            soonest = port->late[port->first].due;
    if (soonest < 0) return -1;
    int64_t wait = soonest - now();
    return wait <= 0 ? 0 : (int)(wait / 1000000) + 1;
}

/* Take one whole request from the start of *data*; return its length, 0 when it is not whole yet. */
static size_t take(int fd, const char *data, size_t length) {
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = end - data + 4, body = 0;
    for (const char *line = data; line < end; line = (const char *)memchr(line, '\n', end + 2 - line) + 1)
        if (!strncasecmp(line, "content-length:", 15)) body = strtoul(line + 15, NULL, 10);
    if (length < head + body) return 0;
    char count[32];
    if (data[0] == 'P') took(fd, data + head, body);
    else if (!strncmp(data, "GET /arrivals", 13)) {
        page(&connections[fd].output, arrivals.data, arrivals.length);
        arrivals.length = 0;
    } else page(&connections[fd].output, count, snprintf(count, sizeof count, "%llu", (unsigned long long)answered));
    return head + body;
}

static void receive(int fd) {
    Buffer *input = &connections[fd].input;
    static char chunk[1 << 16];
    ssize_t n = recv(fd, chunk, sizeof chunk, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0 || input->length + n > MAX_REQUEST) { finish(fd); return; }
    append(input, chunk, n);
    size_t done = 0, taken;
    while ((taken = take(fd, input->data + done, input->length - done))) done += taken;
    memmove(input->data, input->data + done, input->length - done);
    input->length -= done;
    if (connections[fd].output.length) flush(fd);
}

static void welcome(Port *port) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    int fd = accept4(port->listener, (void *)&peer, &length, SOCK_NONBLOCK), one = 1;
    if (fd < 0) return;
    if (fd >= MAX_FDS || ntohl(peer.sin_addr.s_addr) >> 24 != 127) { close(fd); return; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections[fd].port = port;
    watch(fd, EPOLLIN, EPOLL_CTL_ADD);
}

static void listen_on(const char *argument) {
    Port *port = &ports[port_count++];
    const char *delay = strchr(argument, ':');
    port->number = atoi(argument);
    port->delay = delay ? atoll(delay + 1) * 1000000LL : 0;
    port->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int one = 1;
    setsockopt(port->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port->number)};
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(port->listener, (void *)&address, sizeof address) || listen(port->listener, 4096)) {
        perror(argument);
        exit(1);
    }
    watch(port->listener, EPOLLIN, EPOLL_CTL_ADD);
}

static Port *listening(int fd) {
    for (Port *port = ports; port < ports + port_count; port++)
        if (port->listener == fd) return port;
    return NULL;
}

int main(int count, char **arguments) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    polled = epoll_create1(0);
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "--keep")) keeps = 1;
        else if (port_count < MAX_PORTS) listen_on(arguments[i]);
    }
    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(polled, events, EVENTS, wait_ms());
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            Port *port = listening(fd);
            if (port) welcome(port);
            else if (events[i].events & EPOLLOUT) flush(fd);
            else receive(fd);
        }
        answer_late();
    }
}
