package redact

import "strings"

// isSecret tells a Secret, a SecretList, or an audit event about Secrets.
func isSecret(object map[string]any) bool {
	switch object["kind"] {
	case "Secret", "SecretList":
		return true
	}
	ref, _ := object["objectRef"].(map[string]any)
	return ref["resource"] == "secrets" && (ref["apiGroup"] == nil || ref["apiGroup"] == "")
}

// holdsSecretData tells the fields of a Secret that carry its content; kubectl
// apply repeats the content in an annotation.
func holdsSecretData(key string) bool {
	return key == "data" || key == "stringData" || key == "kubectl.kubernetes.io/last-applied-configuration"
}

// patchesSecretData tells an operation of a JSON patch on a Secret that may carry content.
func patchesSecretData(operation map[string]any) bool {
	path, ok := operation["path"].(string)
	if !ok || operation["op"] == nil {
		return false
	}
	return path == "" || strings.HasPrefix(path, "/data") || strings.HasPrefix(path, "/stringData") ||
		strings.HasPrefix(path, "/metadata/annotations")
}
