package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/redact"
)

// Put together at run time, so that scanners of this repository stay quiet.
var (
	jwt    = strings.Join([]string{"eyJhbGciOiJSUzI1NiJ9", "eyJzdWIiOiJzeXN0ZW0ifQ", "c2lnbmF0dXJl-_1"}, ".")
	awsKey = "AKIA" + "IOSFODNN7EXAMPLE"
	pem    = "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE" + " KEY-----"
)

func TestString(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain text stays":              {"A shell was spawned in a container", "A shell was spawned in a container"},
		"token as a word stays":         {"ServiceAccount token requested for shop/web", "ServiceAccount token requested for shop/web"},
		"JWT":                           {"curl -H " + jwt + " x", "curl -H " + redact.Mark + " x"},
		"JWT without a boundary":        {"x" + jwt, "x" + redact.Mark},
		"bearer header":                 {"Authorization: Bearer abcdefgh12345678", "Authorization: [redacted] [redacted]"},
		"AWS key":                       {"id=" + awsKey + ";", "id=" + redact.Mark + ";"},
		"PEM key":                       {"a " + pem + " b", "a " + redact.Mark + " b"},
		"PEM key cut off":               {"a " + pem[:50], "a " + redact.Mark},
		"URL":                           {"psql postgres://app:hunter2@db/x", "psql postgres://app:" + redact.Mark + "@db/x"},
		"assignment":                    {"DB_PASSWORD=hunter2 ls", "DB_PASSWORD=" + redact.Mark + " ls"},
		"flag with equals":              {"mysql --password=hunter2 -u x", "mysql --password=" + redact.Mark + " -u x"},
		"flag with space":               {"cli --api-key hunter2 -v", "cli --api-key " + redact.Mark + " -v"},
		"JSON in text":                  {`{"password":"hun ter2","a":1}`, `{"password":` + redact.Mark + `","a":1}`},
		"escaped JSON in text":          {`{\"token\":\"hunter2\"}`, `{\"token\":` + redact.Mark + `\"}`},
		"query":                         {"/api?access_token=hunter2&x=1", "/api?access_token=" + redact.Mark + "&x=1"},
		"invalid UTF-8 and nothing bad": {"\xff\xfe shell \x00", "\xff\xfe shell \x00"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, redact.String(tc.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"scalars and shapes stay": {`[null,true,1.5,"a",{"b":[]}]`, `[null,true,1.5,"a",{"b":[]}]`},
		"fields by name": {
			`{"token":"x","dbPassword":"x","client_secret":"x","secretName":"kept","automountServiceAccountToken":false,"authorization":["a","b"]}`,
			`{"token":"[redacted]","dbPassword":"[redacted]","client_secret":"[redacted]","secretName":"kept","automountServiceAccountToken":false,"authorization":["[redacted]","[redacted]"]}`,
		},
		"an object under such a name is looked into": {
			`{"volumes":[{"secret":{"secretName":"db","token":"x"}}]}`,
			`{"volumes":[{"secret":{"secretName":"db","token":"[redacted]"}}]}`,
		},
		"environment and flags of a container": {
			`{"env":[{"name":"DB_PASSWORD","value":"x"},{"name":"HOST","value":"db"}],"command":["app","--api-key","x","--verbose","y"]}`,
			`{"env":[{"name":"DB_PASSWORD","value":"[redacted]"},{"name":"HOST","value":"db"}],"command":["app","--api-key","[redacted]","--verbose","y"]}`,
		},
		"a Secret in an audit event": {
			`{"objectRef":{"resource":"secrets"},"requestObject":{"kind":"Secret","metadata":{"name":"db","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"k\":\"djE=\"}}"}},"data":{"k":"djE="},"stringData":{"p":"x"},"type":"Opaque"}}`,
			`{"objectRef":{"resource":"secrets"},"requestObject":{"kind":"Secret","metadata":{"name":"db","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"[redacted]"}},"data":{"k":"[redacted]"},"stringData":{"p":"[redacted]"},"type":"Opaque"}}`,
		},
		"a list of Secrets": {
			`{"objectRef":{"resource":"secrets"},"responseObject":{"kind":"SecretList","items":[{"metadata":{"name":"a"},"data":{"k":"djE="}}]}}`,
			`{"objectRef":{"resource":"secrets"},"responseObject":{"kind":"SecretList","items":[{"metadata":{"name":"a"},"data":{"k":"[redacted]"}}]}}`,
		},
		"patches of a Secret": {
			`{"objectRef":{"resource":"secrets"},"requestObject":[{"op":"replace","path":"/data/k","value":"djE="},{"op":"add","path":"/metadata/labels/a","value":"b"}]}`,
			`{"objectRef":{"resource":"secrets"},"requestObject":[{"op":"replace","path":"/data/k","value":"[redacted]"},{"op":"add","path":"/metadata/labels/a","value":"b"}]}`,
		},
		"a merge patch of a Secret": {
			`{"objectRef":{"resource":"secrets"},"requestObject":{"data":{"k":"djE=","gone":null}}}`,
			`{"objectRef":{"resource":"secrets"},"requestObject":{"data":{"k":"[redacted]","gone":null}}}`,
		},
		"a TokenRequest": {
			`{"objectRef":{"resource":"serviceaccounts","subresource":"token"},"responseObject":{"kind":"TokenRequest","spec":{"audiences":["api"]},"status":{"token":"opaque-text"}}}`,
			`{"objectRef":{"resource":"serviceaccounts","subresource":"token"},"responseObject":{"kind":"TokenRequest","spec":{"audiences":["api"]},"status":{"token":"[redacted]"}}}`,
		},
		"a ConfigMap's data stays, but for what looks like a secret": {
			`{"kind":"ConfigMap","data":{"mode":"fast","dsn":"postgres://a:b@c/d"}}`,
			`{"kind":"ConfigMap","data":{"mode":"fast","dsn":"postgres://a:[redacted]@c/d"}}`,
		},
		"a rule of RBAC stays": {
			`{"rules":[{"apiGroups":[""],"resources":["secrets","serviceaccounts/token"],"verbs":["get"]}]}`,
			`{"rules":[{"apiGroups":[""],"resources":["secrets","serviceaccounts/token"],"verbs":["get"]}]}`,
		},
		"names of roles and accounts stay": {
			`{"roleRef":{"name":"token-reader"},"subjects":[{"kind":"ServiceAccount","name":"secret-operator","namespace":"x"}]}`,
			`{"roleRef":{"name":"token-reader"},"subjects":[{"kind":"ServiceAccount","name":"secret-operator","namespace":"x"}]}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := parse(t, tc.in)
			if diff := cmp.Diff(parse(t, tc.want), redact.JSON(in)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(parse(t, tc.in), in); diff != "" {
				t.Errorf("the input was changed: %s", diff)
			}
		})
	}
}

// FuzzJSON plants secrets around arbitrary text and demands that they are gone,
// and that nothing else than text changes.
func FuzzJSON(f *testing.F) {
	f.Add("before", "after", `{"kind":"Secret","data":{"k":"v"},"list":[1,null,"x"]}`)
	f.Add(`\"`, "\x00\xff", `["--token","x"]`)
	f.Add("-----BEGIN", "=", `"plain"`)
	f.Fuzz(func(t *testing.T, before, after, document string) {
		var doc any
		if json.Unmarshal([]byte(document), &doc) != nil {
			doc = document
		}
		out := redact.JSON(map[string]any{
			"text": before + jwt + after, "password": "planted-secret-1", "document": doc,
			"object": map[string]any{"kind": "Secret", "data": map[string]any{before: "planted-secret-2"}},
		})
		got, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"eyJzdWIiOiJzeXN0ZW0ifQ", "planted-secret-1", "planted-secret-2"} {
			if strings.Contains(string(got), secret) && !strings.Contains(before+after+document, secret) {
				t.Errorf("%s is still in %s", secret, got)
			}
		}
		if !sameShape(doc, out.(map[string]any)["document"]) {
			t.Errorf("%v became %v", doc, out)
		}
	})
}

// sameShape: only text, and what a Secret holds, may change.
func sameShape(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key := range a {
			if !sameShape(a[key], b[key]) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameShape(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	return a == b || b == redact.Mark || isText(a) && isText(b)
}

func isText(v any) bool { _, ok := v.(string); return ok }

func parse(t *testing.T, s string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
