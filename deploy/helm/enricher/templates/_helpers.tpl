{{- define "enricher.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- /* A release may have a dot in its name, a Service may not. */ -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- $name := .Values.nameOverride | default .Chart.Name | trunc 30 | trimSuffix "-" -}}
{{- if contains $name $release -}}
{{- $release | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" ($release | trunc (int (sub 49 (len $name))) | trimSuffix "-") $name -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "enricher.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{- define "enricher.account" -}}
{{- $own := ternary (include "enricher.name" .) "default" .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default $own -}}
{{- end -}}

{{- define "enricher.image" -}}
{{- $global := .Values.global | default dict -}}
{{- with $global.imageRegistry | default .Values.image.registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- /* The pull secrets of all charts and the own, by their names or as objects. */ -}}
{{- define "enricher.pullSecrets" -}}
{{- $global := .Values.global | default dict -}}
{{- range concat ($global.imagePullSecrets | default list) (.Values.imagePullSecrets | default list) }}
- name: {{ (kindIs "string" . | ternary . (get (kindIs "map" . | ternary . (dict)) "name")) | quote }}
{{- end -}}
{{- end -}}

{{- /* What finds the daemon's pods, and no other release's. */ -}}
{{- define "enricher.selector" -}}
app.kubernetes.io/name: enricher
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- /* The labels of an object: (dict "at" . "own" … "more" …). Its own win over the common ones, and these over "more" and
       those that all objects have. Nothing wins over what finds the daemon's pods. */ -}}
{{- define "enricher.labels" -}}
{{- $chart := printf "%s-%s" .at.Chart.Name .at.Chart.Version | replace "+" "_" -}}
{{- $of_all := dict "app.kubernetes.io/part-of" "enricher" "helm.sh/chart" $chart -}}
{{- $_ := set $of_all "app.kubernetes.io/managed-by" .at.Release.Service -}}
{{- $selector := include "enricher.selector" .at | fromYaml -}}
{{- $common := .at.Values.commonLabels | default dict -}}
{{- merge (dict) $selector (.own | default dict) $common (.more | default dict) $of_all | toYaml -}}
{{- end -}}

{{- /* The annotations of an object, if it has any: (dict "at" . "own" …). */ -}}
{{- define "enricher.annotations" -}}
{{- with merge (dict) (.own | default dict) (.at.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "enricher.component" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: log-enricher
{{- end -}}

{{- /* The options as variables: ENRICHER_MAX_SERIES for max-series. Lists are separated by spaces. */ -}}
{{- define "enricher.options" -}}
{{- range $name, $value := .Values.options -}}
{{- if kindIs "slice" $value }}{{ $value = join " " $value }}{{ end -}}
{{- /* Numbers of a values file arrive as floats, and large ones would be written as 2e+06. */ -}}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}{{ $value = int64 $value }}{{ end -}}
{{- if not (or (kindIs "invalid" $value) (has $value (list "" false))) }}
- name: ENRICHER_{{ $name | upper | replace "-" "_" }}
  value: {{ $value | toString | quote }}
{{- end -}}
{{- end -}}
{{- if .Values.config }}
- name: ENRICHER_CONFIG
  value: /etc/enricher-config/config.yaml
{{- end -}}
{{- if .Values.extraEndpoints }}
- name: ENRICHER_EXTRA_ENDPOINTS
  value: /etc/enricher/extra-endpoints.yaml
{{- end -}}
{{- if ne (int .Values.port) 9464 }}
- name: ENRICHER_LISTEN
  value: ":{{ int .Values.port }}"
{{- end -}}
{{- end -}}

{{- /* For both monitors. */ -}}
{{- define "enricher.endpoint" -}}
port: metrics
path: /metrics
# The samples' own pod, namespace and node are the upstream's: without this line Prometheus would put the scraped
# daemon's in their place and move ours to exported_pod and so on, and no query of docs/metrics.md would find a pod.
honorLabels: true
{{- with .monitor.interval }}
interval: {{ . }}
{{- end }}
{{- with .monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
relabelings:
  # Of samples without a node (enricher_*): the daemon's.
  - sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: node
  {{- with .monitor.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
metricRelabelings:
  # When each series was created, which would be stored as as many series again.
  - sourceLabels: [__name__]
    regex: (ingress|enricher)_.+_created
    action: drop
  {{- with .monitor.metricRelabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* Where a monitor looks for the daemon, if it is in another namespace. */ -}}
{{- define "enricher.monitored.namespace" -}}
{{- if .monitor.namespace }}
namespaceSelector:
  matchNames: [{{ include "enricher.namespace" .at | quote }}]
{{- end -}}
{{- end -}}

{{- define "enricher.monitored" -}}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}
{{- $both := "podMonitor.enabled and serviceMonitor.enabled are both true, which counts twice: one is expected" -}}
{{- fail $both -}}
{{- end -}}
{{- if or .Values.podMonitor.enabled .Values.serviceMonitor.enabled }}true{{ end -}}
{{- end -}}

{{- /* Of the pod of `helm test`, which must not be taken for a daemon. */ -}}
{{- define "enricher.test.selector" -}}
app.kubernetes.io/name: enricher-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}
