{{- define "beemflow-secrets.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "beemflow-secrets.fullname" -}}
{{- $name := include "beemflow-secrets.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "beemflow-secrets.selector" -}}
app.kubernetes.io/name: {{ include "beemflow-secrets.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "beemflow-secrets.labels" -}}
{{ include "beemflow-secrets.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "beemflow-secrets.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "beemflow-secrets.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name must name the one to use where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "beemflow-secrets.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Whether replicas elect a leader: empty for no. */}}
{{- define "beemflow-secrets.leaderElect" -}}
{{- if kindIs "invalid" .Values.leaderElect }}
{{- if gt (int .Values.replicaCount) 1 }}true{{ end }}
{{- else if .Values.leaderElect }}true{{ end }}
{{- end }}

{{- /* The port of httpAddress. */}}
{{- define "beemflow-secrets.port" -}}
{{- regexFind "[0-9]+$" .Values.httpAddress }}
{{- end }}
