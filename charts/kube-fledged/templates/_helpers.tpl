{{/* Name of the chart, as in the labels that Pods are selected by. */}}
{{- define "kube-fledged.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What the names of all objects begin with. */}}
{{- define "kube-fledged.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* (list root component): labels that never change, because a Deployment's selector cannot. */}}
{{- define "kube-fledged.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "kube-fledged.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/part-of: {{ printf "%s-%s" $root.Release.Name (index . 1) | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* (list root component): labels of an object. */}}
{{- define "kube-fledged.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "kube-fledged.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app: kubefledged
kubefledged: kubefledged-{{ index . 1 }}
{{- end -}}

{{/* (list root component settings): labels of a component's Pods. */}}
{{- define "kube-fledged.podLabels" -}}
{{- $own := include "kube-fledged.selectorLabels" . | fromYaml -}}
{{- $fixed := dict "app" "kubefledged" "kubefledged" (printf "kubefledged-%s" (index . 1)) -}}
{{- toYaml (mergeOverwrite $fixed (default dict (index . 2).podLabels | deepCopy) $own) -}}
{{- end -}}

{{/* (list root component given): a name that a value gives to the controller's objects, or the one that follows from the release. */}}
{{- define "kube-fledged.nameFor" -}}
{{- $component := index . 1 -}}
{{- if not (index . 2) -}}
{{ include "kube-fledged.fullname" (index . 0) }}-{{ $component }}
{{- else if eq $component "controller" -}}
{{ index . 2 }}
{{- else -}}
{{ index . 2 }}-{{ $component }}
{{- end -}}
{{- end -}}

{{- define "kube-fledged.serviceAccountName" -}}
{{ include "kube-fledged.nameFor" (list (index . 0) (index . 1) (index . 0).Values.serviceAccount.name) }}
{{- end -}}

{{- define "kube-fledged.roleName" -}}
{{ include "kube-fledged.nameFor" (list (index . 0) (index . 1) (index . 0).Values.clusterRole.name) }}
{{- end -}}

{{/* Follows the role's name: the role of a binding cannot be changed. */}}
{{- define "kube-fledged.roleBindingName" -}}
{{- $values := (index . 0).Values -}}
{{ include "kube-fledged.nameFor" (list (index . 0) (index . 1) (default $values.clusterRole.name $values.clusterRoleBinding.name)) }}
{{- end -}}

{{- define "kube-fledged.validatingWebhookName" -}}
{{ default (printf "%s-webhook-server" (include "kube-fledged.fullname" .)) .Values.validatingWebhook.name }}
{{- end -}}

{{/* (list root component): name of a Service, which a long release name must not make longer than 63 characters. */}}
{{- define "kube-fledged.serviceName" -}}
{{ include "kube-fledged.fullname" (index . 0) | trunc 48 | trimSuffix "-" }}-{{ index . 1 }}
{{- end -}}

{{- define "kube-fledged.webhookServiceName" -}}
{{ default (include "kube-fledged.serviceName" (list . "webhook-server")) .Values.webhookService.name }}
{{- end -}}

{{/* Secret that the webhook server's certificate is mounted from; empty where the server makes its own. */}}
{{- define "kube-fledged.givenSecretName" -}}
{{- if .Values.secret.name -}}
{{ .Values.secret.name }}
{{- else if (.Values.certManager).enable -}}
{{ include "kube-fledged.fullname" . }}-webhook-server-certificate
{{- end -}}
{{- end -}}

{{/* Port that the webhook server listens on: below 1024 a node does not let it. */}}
{{- define "kube-fledged.webhookPort" -}}
{{- $port := int .Values.args.webhookServerPort -}}
{{- if and .Values.webhookServer.hostNetwork (lt $port 1024) }}10443{{ else }}{{ $port }}{{ end -}}
{{- end -}}

{{/* (list root key): the image that the values called key… describe. */}}
{{- define "kube-fledged.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- $key := index . 1 -}}
{{- $digest := get $image (printf "%sDigest" $key) -}}
{{- $tag := default $root.Chart.AppVersion $image.tag -}}
{{- if eq $key "busyboxImage" }}{{ $tag = default $tag $image.busyboxImageVersion }}{{ end -}}
{{ include "kube-fledged.repository" (list $root $key) }}{{ if $digest }}@{{ $digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end -}}

{{/* (list root key): the repository of an image, on the host of global.imageRegistry where there is one. */}}
{{- define "kube-fledged.repository" -}}
{{- $values := (index . 0).Values -}}
{{- $repository := get $values.image (printf "%sRepository" (index . 1)) -}}
{{- with ($values.global).imageRegistry -}}
{{- /* what an image reference begins with is a host only if it looks like one, and something follows */ -}}
{{- $path := regexReplaceAll `^([^/]*[.:][^/]*|localhost)/` $repository "" -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $path -}}
{{- end -}}
{{ $repository }}
{{- end -}}

{{/* (list root key): the pull policy of an image. A release never changes, so that a restart needs no registry; other tags may move. */}}
{{- define "kube-fledged.pullPolicy" -}}
{{- $policy := (index . 0).Values.image.pullPolicy -}}
{{- if $policy -}}
{{ $policy }}
{{- else if regexMatch `(@sha256:[a-f0-9]{64}|:v?[0-9]+\.[0-9]+\.[0-9]+([-.][0-9A-Za-z.-]+)?)$` (include "kube-fledged.image" .) -}}
IfNotPresent
{{- else -}}
Always
{{- end -}}
{{- end -}}

{{/* (list root defaults): security context of a Pod. */}}
{{- define "kube-fledged.podSecurityContext" -}}
{{- $restricted := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- toYaml (mergeOverwrite $restricted (index . 1) (default dict (index . 0).Values.podSecurityContext | deepCopy)) -}}
{{- end -}}

{{- define "kube-fledged.securityContext" -}}
{{- $restricted := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- toYaml (mergeOverwrite $restricted (default dict .Values.securityContext | deepCopy)) -}}
{{- end -}}

{{/* (list root settings affinity): the fields of a Deployment's Pods that both have. */}}
{{- define "kube-fledged.podFields" -}}
{{- $settings := index . 1 -}}
{{- if $settings.hostNetwork -}}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- with $settings.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- include "kube-fledged.placement" (list (index . 0) (index . 2)) }}
{{- end -}}

{{/* (list root affinity): pull secrets and where a Pod may run. The images are for these systems; what the values say comes first. */}}
{{- define "kube-fledged.placement" -}}
{{- $values := (index . 0).Values -}}
{{- $built := dict "key" "kubernetes.io/arch" "operator" "In" "values" (list "amd64" "arm64") -}}
{{- $terms := list (dict "matchExpressions" (list $built)) -}}
{{- $required := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- $affinity := mergeOverwrite (dict "nodeAffinity" $required) (index . 1) (default dict $values.affinity | deepCopy) -}}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
nodeSelector:
  {{- toYaml (mergeOverwrite (dict "kubernetes.io/os" "linux") (default dict $values.nodeSelector | deepCopy)) | nindent 2 }}
affinity:
  {{- toYaml $affinity | nindent 2 }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (replicas): how a Deployment with the node's network is renewed, since two Pods cannot have one port of a node. */}}
{{- define "kube-fledged.hostNetworkStrategy" -}}
{{- if lt (int .) 2 -}}
# a rolling update of one Pod that may be missing is done, for Helm, before it has begun
type: Recreate
rollingUpdate: null
{{- else -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: 0
  maxUnavailable: 1
{{- end -}}
{{- end -}}
