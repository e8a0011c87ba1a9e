package redact

import "strings"

// endings of field names whose text is a secret, in lower case without separators.
var endings = []string{
	"password", "passwd", "passphrase", "token", "apikey", "secretkey", "accesskey",
	"privatekey", "clientsecret", "authorization", "credentials",
}

// names of fields whose text is a secret only as the whole name.
var names = map[string]bool{"secret": true, "cookie": true, "setcookie": true, "jwt": true}

// parts of the names of environment variables and flags that hold secrets.
var parts = append([]string{"secret", "credential"}, endings...)

var separators = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

func secretField(key string) bool {
	name := separators.Replace(strings.ToLower(key))
	if names[name] {
		return true
	}
	for _, ending := range endings {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// namesSecret tells whether v is the name of an environment variable or flag that holds a secret.
func namesSecret(v any) bool {
	s, ok := v.(string)
	if !ok || s == "" {
		return false
	}
	name := separators.Replace(strings.ToLower(s))
	for _, part := range parts {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
