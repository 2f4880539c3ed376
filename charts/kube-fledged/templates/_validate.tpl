{{/* Refuses values that a type alone does not rule out, with a sentence for each. */}}
{{- define "kube-fledged.validate" -}}
{{- $duration := `\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+` -}}
{{- $level := `^(?i)\s*(info|warning|error|fatal|[0-3])\s*$` -}}
{{- $socket := `(unix://)?(/([^/.,:\s]|\.[^/.,:\s]|\.\.[^/,:\s])[^/,:\s]*){2,}` -}}
{{- $name := `[a-z0-9]([-a-z0-9]*[a-z0-9])?` -}}
{{- $checks := list
  (list "args.controllerLogLevel" $level "is not a level: INFO, WARNING, ERROR or FATAL")
  (list "args.webhookServerLogLevel" $level "is not a level: INFO, WARNING, ERROR or FATAL")
  (list "args.controllerImagePullDeadlineDuration" (printf "^(%s)$" $duration) "is not a duration such as 5m or 1h30m")
  (list "args.controllerImagePullDeadlineDuration" "[1-9]" "is not a duration of more than 0s")
  (list "args.controllerImageCacheRefreshFrequency" (printf "^(%s|[-+]?0)$" $duration) "is not a duration such as 15m, or 0s for never")
  (list "args.controllerJobRetentionPolicy" `^((?i)\s*(delete|retain)\s*)?$` "is neither delete nor retain")
  (list "args.controllerCRISocketPath" (printf "^(%s)?$" $socket) "is not one absolute path of a socket that does not lie in /, such as /run/containerd/containerd.sock")
  (list "args.webhookServerCertFile" "^/" "is not an absolute path")
  (list "args.webhookServerKeyFile" "^/" "is not an absolute path")
  (list "podDisruptionBudget.maxUnavailable" "^([0-9]+%?)?$" "is neither a number nor a percentage")
  (list "global.imageRegistry" `^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9._/-]*)?)?$` "is not a registry such as registry.example.com:5000, without a scheme")
  (list "validatingWebhookCABundle" "^[A-Za-z0-9+/=\\s]*$" "is not base64")
-}}
{{- range $key := list "kubefledgedController" "kubefledgedCRIClient" "kubefledgedWebhookServer" "busyboxImage" -}}
{{- $checks = append $checks (list (printf "image.%sDigest" $key) "^(sha256:[a-f0-9]{64})?$" "is not a digest, sha256: and 64 hexadecimal digits") -}}
{{- $checks = append $checks (list (printf "image.%sRepository" $key) `^[^\s@]+$` "is not a repository such as ghcr.io/kubefledged/kubefledged-controller") -}}
{{- end -}}
{{- range $key := list "tag" "busyboxImageVersion" -}}
{{- $checks = append $checks (list (printf "image.%s" $key) "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$" "is not a tag") -}}
{{- end -}}
{{- range $key := list "nameOverride" "fullnameOverride" "serviceAccount.name" "clusterRole.name" "clusterRoleBinding.name" "validatingWebhook.name" "secret.name" "webhookService.name" "controller.priorityClassName" "webhookServer.priorityClassName" "args.controllerServiceAccountName" "args.controllerJobPriorityClassName" -}}
{{- $checks = append $checks (list $key (printf `^(%s(\.%s)*)?$` $name $name) "is not a name: lower-case letters, digits, inner dashes and dots") -}}
{{- end -}}
{{- range $checks -}}
{{- $value := $.Values -}}
{{- range splitList "." (index . 0) -}}
{{- if kindIs "map" $value }}{{ $value = get $value . }}{{ end -}}
{{- end -}}
{{- $text := ternary "" (toString $value) (kindIs "invalid" $value) -}}
{{- if not (regexMatch (index . 1) $text) -}}
{{- fail (printf "%s: %q %s." (index . 0) $text (index . 2)) -}}
{{- end -}}
{{- end -}}
{{- if ne (dir .Values.args.webhookServerCertFile) (dir .Values.args.webhookServerKeyFile) -}}
{{- fail "args.webhookServerKeyFile must be in the directory of args.webhookServerCertFile." -}}
{{- end -}}
{{- end -}}
