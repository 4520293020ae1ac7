{{- define "riskrelay.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "riskrelay.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "riskrelay.labels" -}}
{{ include "riskrelay.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "riskrelay.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  - {name: RISKRELAY_PUBLIC_URL, value: {{ .Values.publicUrl | quote }}}
  {{- if eq .Values.database.kind "postgresql" }}
  - {name: RISKRELAY_DATABASE_URL, value: ""}
  - {name: RISKRELAY_DATABASE_URL_FILE, value: /run/riskrelay/database-url}
  {{- end }}
  {{- if .Values.masterKey.existingSecret }}
  - {name: RISKRELAY_MASTER_KEY_FILE, value: /run/riskrelay/master-key}
  {{- end }}
  {{- with .Values.ingress.trustedProxies }}
  - {name: RISKRELAY_TRUSTED_PROXIES, value: {{ join "," . | quote }}}
  {{- end }}
  {{- with .Values.networkPolicy.privateTargets }}
  - {name: RISKRELAY_ALLOW_TARGETS, value: {{ join "," . | quote }}}
  {{- end }}
  {{- range $name, $value := .Values.settings }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if eq .Values.database.kind "sqlite" }}
  - {name: data, mountPath: /var/lib/riskrelay}
  {{- end }}
  {{- if or .Values.masterKey.existingSecret (eq .Values.database.kind "postgresql") }}
  - {name: secrets, mountPath: /run/riskrelay, readOnly: true}
  {{- end }}
{{- end }}

{{- define "riskrelay.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: operations}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: operations}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{/* The pod of `serve` or `worker`. Arguments: root, component, arguments, resources. */}}
{{- define "riskrelay.pod" -}}
{{- $root := .root }}
metadata:
  labels:
    {{- include "riskrelay.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  {{- with $root.Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "riskrelay.name" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 45
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  initContainers:
    # Creates what is missing and migrates the database. Pods that start at the same time wait for each other. The token
    # that it prints stays out of the log: NOTES.txt says how to create one.
    - name: init
      command: [sh, -c, "riskrelay init > /dev/null"]
      resources: {{- toYaml .resources | nindent 8 }}
      {{- include "riskrelay.container" $root | nindent 6 }}
  containers:
    - name: {{ .component }}
      args: {{ toJson .arguments }}
      ports:
        {{- if eq .component "serve" }}
        - {name: http, containerPort: 8700}
        {{- end }}
        - {name: operations, containerPort: 8790}
      {{- include "riskrelay.probes" $root | nindent 6 }}
      {{- if eq .component "serve" }}
      readinessProbe:
        httpGet: {path: /readyz, port: operations}
        periodSeconds: 5
        timeoutSeconds: 5
      {{- end }}
      resources: {{- toYaml .resources | nindent 8 }}
      {{- include "riskrelay.container" $root | nindent 6 }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    {{- if or $root.Values.masterKey.existingSecret (eq $root.Values.database.kind "postgresql") }}
    - name: secrets
      projected:
        defaultMode: 0400
        sources:
          {{- if eq $root.Values.database.kind "postgresql" }}
          - secret:
              name: {{ $root.Values.database.existingSecret }}
              items: [{key: {{ $root.Values.database.urlKey | quote }}, path: database-url}]
          {{- end }}
          {{- with $root.Values.masterKey }}
          {{- if .existingSecret }}
          - secret:
              name: {{ .existingSecret }}
              items: [{key: {{ .key | quote }}, path: master-key}]
          {{- end }}
          {{- end }}
    {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
