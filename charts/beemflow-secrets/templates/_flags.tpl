{{- /* The flags of `run` that the values ask for, the defaults too: what runs stands in the pod. */}}
{{- define "beemflow-secrets.flags" -}}
- --http-address={{ .Values.httpAddress }}
{{- if include "beemflow-secrets.leaderElect" . }}
- --leader-elect
{{- end }}
- --concurrency={{ int .Values.concurrency }}
- --log-level={{ .Values.log.level }}
- --log-format={{ .Values.log.format }}
{{- with .Values.scopedNamespaces }}
- --namespaces={{ join "," . }}
{{- end }}
{{- range $namespace, $roles := .Values.scopedNamespaceRoles }}
- {{ printf "--namespace-roles=%s=%s" $namespace (join "," $roles) | quote }}
{{- end }}
{{- range .Values.allowedEndpoints }}
- {{ printf "--allowed-endpoint=%s" . | quote }}
{{- end }}
{{- range .Values.envAllowedPrefixes }}
- {{ printf "--env-allowed-prefix=%s" . | quote }}
{{- end }}
{{- range .Values.fileAllowedRoots }}
- {{ printf "--file-allowed-root=%s" . | quote }}
{{- end }}
- --{{ if not .Values.storeAmbientCredentials }}no-{{ end }}store-ambient-credentials
- --{{ if not .Values.clusterStoreAmbientCredentials }}no-{{ end }}cluster-store-ambient-credentials
{{- range .Values.audit.sinks }}
- {{ printf "--audit-sink=%s" . | quote }}
{{- end }}
- --{{ if not .Values.audit.required }}no-{{ end }}audit-required
{{- with .Values.notify.webhook }}
- {{ printf "--notify-webhook=%s" . | quote }}
- {{ printf "--notify-key-file=%s" (required "notify.webhook needs notify.keyFile" $.Values.notify.keyFile) | quote }}
{{- end }}
{{- end }}
