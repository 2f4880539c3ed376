{{/*
(dict "root" "component" "hook" "rules" "deadlineSeconds"): a Job that runs the subcommand called component as a hook, with rights that it
has for that time only.
*/}}
{{- define "kube-fledged.hook" -}}
{{- $root := .root -}}
{{- $name := printf "%s-%s" (include "kube-fledged.fullname" $root | trunc (sub 62 (len .component) | int) | trimSuffix "-") .component -}}
{{- $labels := include "kube-fledged.labels" (list $root .component) -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ $name }}
    namespace: {{ $root.Release.Namespace }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 3
  activeDeadlineSeconds: {{ .deadlineSeconds }}
  # for those who apply rendered manifests: a Job that is still there cannot be changed
  ttlSecondsAfterFinished: 60
  template:
    metadata:
      labels:
        {{- include "kube-fledged.podLabels" (list $root .component dict) | nindent 8 }}
    spec:
      serviceAccountName: {{ $name }}
      restartPolicy: Never
      {{- include "kube-fledged.placement" (list $root dict) | nindent 6 }}
      securityContext:
        {{- include "kube-fledged.podSecurityContext" (list $root dict) | nindent 8 }}
      containers:
        - name: {{ .component }}
          image: {{ include "kube-fledged.image" (list $root "kubefledgedController") | quote }}
          imagePullPolicy: {{ include "kube-fledged.pullPolicy" (list $root "kubefledgedController") }}
          command: [/opt/kubefledged/main.js, {{ .component }}]
          terminationMessagePolicy: FallbackToLogsOnError
          resources:
            requests:
              cpu: 50m
              memory: 64Mi
            limits:
              memory: 256Mi
          securityContext:
            {{- include "kube-fledged.securityContext" $root | nindent 12 }}
{{- end -}}
