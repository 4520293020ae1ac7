// One method, called in every way that the SDK offers.

import assert from 'node:assert/strict';
import Cloudflare from 'cloudflare';
import type { APIPromise } from 'cloudflare/api-promise';
import type { Reader } from './reading.js';
import type { Fact } from './report.js';
import { clientFor, clientByKey, type World } from './world.js';

export interface Method<T> {
  name: string;
  call: (client: Cloudflare, id: string) => APIPromise<T>;
  read: Reader<T>;
  agrees?: (value: T) => void;
  id?: (client: Cloudflare) => Promise<string>; // of a record of its own, where the call changes or removes it
}

export interface Called {
  method: string;
  facts: Fact[];
}

type Way<T> = (call: APIPromise<T>, check: (value: T) => void) => Promise<void>;

export function calledInEveryWay<T>(world: World, method: Method<T>): Called {
  const check = (value: T): void => method.agrees?.(method.read(value, method.name));
  const holds = (client: Cloudflare, way: Way<T>) => async (): Promise<void> => {
    const id = method.id === undefined ? '' : await method.id(client);
    await way(method.call(client, id), check);
  };
  const ways: { [name: string]: Way<T> } = { plain, asResponse, withResponse, 'one request': oneRequest };
  const facts = Object.entries(ways).map(([name, way]) => ({
    name: `${method.name}: ${name}`,
    holds: holds(clientFor(world), way),
  }));
  const byKey = { name: `${method.name}: email and key`, holds: holds(clientByKey(world), plain) };
  return { method: method.name, facts: [...facts, byKey] };
}

async function plain<T>(call: APIPromise<T>, check: (value: T) => void): Promise<void> {
  check(await call);
}

async function asResponse<T>(call: APIPromise<T>): Promise<void> {
  const response = await call.asResponse();
  assert.ok(response instanceof Response);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  const { result, ...envelope } = (await response.json()) as { result: unknown };
  assert.notEqual(result, undefined);
  assert.notEqual(result, null);
  assert.deepEqual({ errors: [], messages: [], success: true, ...envelope }, envelope);
}

async function withResponse<T>(call: APIPromise<T>, check: (value: T) => void): Promise<void> {
  const { data, response } = await call.withResponse();
  check(data);
  assert.equal(response.status, 200);
}

async function oneRequest<T>(call: APIPromise<T>): Promise<void> {
  const response = await call.asResponse();
  const value = await call;
  const both = await call.withResponse();
  assert.equal(both.data, value);
  assert.equal(both.response, response);
}
