{{- /*
What the operator may do where it serves, and what for. RBAC cannot tell a Secret's metadata from its values: whoever may
watch Secrets may read them.
*/}}
{{- define "beemflow-secrets.rights" -}}
{{- $everywhere := not .Values.scopedRBAC -}}
- apiGroups: [secrets.beemflow.io]
  resources:
    - beemflowsecretstores
    {{- if $everywhere }}
    - beemflowclustersecretstores
    {{- end }}
    - beemflowsecrets
    {{- if $everywhere }}
    - beemflowclustersecrets
    {{- end }}
    - beemflowpushsecrets
  verbs: [get, list, watch]
{{- if $everywhere }}
# What a BeemFlowClusterSecret stamps into namespaces.
- apiGroups: [secrets.beemflow.io]
  resources: [beemflowsecrets]
  verbs: [create, patch, delete]
{{- end }}
# The finalizer, which a push has that is to be taken back.
- apiGroups: [secrets.beemflow.io]
  resources: [beemflowpushsecrets]
  verbs: [patch]
- apiGroups: [secrets.beemflow.io]
  resources:
    - beemflowsecretstores/status
    {{- if $everywhere }}
    - beemflowclustersecretstores/status
    {{- end }}
    - beemflowsecrets/status
    {{- if $everywhere }}
    - beemflowclustersecrets/status
    {{- end }}
    - beemflowpushsecrets/status
  verbs: [patch]
{{- if $everywhere }}
# Whom a cluster store serves, and where BeemFlowSecrets are stamped.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
{{- end }}
# What is written, and the stores' credentials.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
# Authorities that stores trust.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
{{- if .Values.rbac.tokenRequest }}
# Logins as the ServiceAccounts that stores name.
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
{{- end }}
{{- if .Values.rbac.rolloutRestart }}
# The pod templates of workloads that are restarted for new content. Whoever may change these may run anything there.
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [patch]
{{- end }}
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
