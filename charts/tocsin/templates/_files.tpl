{{/*
tocsin.files renders manifests as config/default has them, for an operator in
the release's namespace. Their names are fixed: a cluster has one Tocsin.
*/}}
{{- define "tocsin.files" -}}
{{- range $path, $_ := .root.Files.Glob .glob }}
---
{{ $.root.Files.Get $path | replace "tocsin-system" $.root.Release.Namespace }}
{{- end }}
{{- end }}
