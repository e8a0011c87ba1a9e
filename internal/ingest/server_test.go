package ingest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

const token = "the-sender's-own"

type answer struct {
	ID, Error, Field string
}

// server offers falco (bearer), signed, signed-2 and signed-3 (HMAC), slow (one event) and batches (a hundred), and knows of pending, which is not in force.
func server(t testing.TB, store ingest.Store) *httptest.Server {
	t.Helper()
	sources := ingest.NewSources()
	falco := source("falco", v1alpha1.FormatFalco)
	falco.Spec.MaxBodyBytes = 1024
	all := []*v1alpha1.AlertSource{falco}
	for _, name := range []string{"signed", "signed-2", "signed-3"} {
		signed := source(name, v1alpha1.FormatFalco)
		signed.Spec.Authentication = v1alpha1.SourceAuthentication{HMAC: &v1alpha1.HMACAuthentication{}}
		all = append(all, signed)
	}
	slow := source("slow", v1alpha1.FormatFalco)
	slow.Spec.RateLimit = &v1alpha1.RateLimit{PerSecond: 1, Burst: 1}
	batches := source("batches", v1alpha1.FormatFalco)
	batches.Spec.RateLimit = &v1alpha1.RateLimit{PerSecond: 1, Burst: 100}
	for _, s := range append(all, slow, batches) {
		compiled, err := ingest.Compile(s, []byte(token+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		sources.Set(compiled)
	}
	known := fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(source("pending", v1alpha1.FormatFalco)).Build()
	s := httptest.NewServer((&ingest.Server{
		Sources: sources, Known: known, Store: store, Metrics: ingest.NewMetrics(prometheus.NewRegistry()), Log: logr.Discard(),
	}).Handler())
	t.Cleanup(s.Close)
	return s
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func send(t *testing.T, method, url, body string, header map[string]string) (int, answer) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got answer
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, got
}

func basic(user, password string) map[string]string {
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

// A sender whose configuration knows a URL and nothing else, such as Falco's http_output.
func TestTheTokenInAURL(t *testing.T) {
	at, err := url.Parse(server(t, newWorld(t).open(t)).URL + "/v1/sources/shop/falco")
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]int{token: http.StatusAccepted, "x": http.StatusUnauthorized} {
		at.User = url.UserPassword("falco", password)
		if code, got := send(t, http.MethodPost, at.String(), `{}`, nil); code != want {
			t.Errorf("with password %s: %d %+v, want %d", password, code, got, want)
		}
	}
}

// A client of the API server may nest a patch as deep as JSON may be; the batch
// around it, which holds other events, is deeper.
func TestServerKeepsABatchWithSomethingTooDeep(t *testing.T) {
	nested := func(depth int, within string) string {
		return `{"items":[{"auditID":"1","requestObject":` + strings.Repeat(`{"a":`, depth) + within + strings.Repeat("}", depth) + `},{"auditID":"2"}]}`
	}
	tests := map[string]struct {
		body, want string
		wantCode   int
	}{
		"too deep":               {nested(9_999, `"}\"\\"`), nested(253, `"[nested too deep]"`), 202},
		"too deep and malformed": {nested(9_999, `1`) + "]", "", 400},
		"never closed":           {strings.Repeat("[", 20_000), "", 400},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newWorld(t).open(t)
			code, got := send(t, http.MethodPost, server(t, s).URL+"/v1/sources/shop/signed", tc.body, map[string]string{"X-Signature-256": sign(tc.body)})
			if code != tc.wantCode {
				t.Errorf("%d %+v", code, got)
			}
			if stored, _ := s.Message(t.Context(), 1); string(stored.Body) != tc.want {
				t.Errorf("stored %.2000s, want %.2000s", stored.Body, tc.want)
			}
		})
	}
}

// Whoever has no key can make the server read; what they send must not use up the
// room of those who have one, not even of the same source.
func TestServerHasRoomForOthers(t *testing.T) {
	s := newWorld(t).open(t)
	url := server(t, s).URL + "/v1/sources/shop/"
	ended := make(chan struct{}, 13)
	piece := []byte(strings.Repeat(" ", 8<<20-1))
	for i := range cap(ended) {
		body, sender := io.Pipe()
		path := []string{"signed", "signed-2", "signed-3"}[i%3]
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Signature-256", "00")
		go func() { _, _ = sender.Write(piece) }() // and never ends
		go func() {
			response, err := http.DefaultClient.Do(request)
			if err == nil {
				_ = response.Body.Close()
			}
			ended <- struct{}{}
		}()
	}
	<-ended // one had to give way, so there is no room left
	event := fmt.Sprintf(`{"rule":%q}`, strings.Repeat("x", 500))
	if code, got := send(t, http.MethodPost, url+"falco", event, map[string]string{"Authorization": "Bearer " + token}); code != http.StatusAccepted {
		t.Errorf("a sender with a token: %d %+v", code, got)
	}
	event = fmt.Sprintf(`{"rule":%q}`, strings.Repeat("x", 8<<20-100))
	if code, got := send(t, http.MethodPost, url+"signed", event, map[string]string{"X-Signature-256": sign(event)}); code != http.StatusAccepted {
		t.Errorf("a sender with the key: %d %+v", code, got)
	}
}

func TestServerParsesNoMoreThanItHasRoomFor(t *testing.T) {
	s := newWorld(t).open(t)
	body := "[" + strings.Repeat("0,", 2_100_000) + "0]"
	code, got := send(t, http.MethodPost, server(t, s).URL+"/v1/sources/shop/signed", body, map[string]string{"X-Signature-256": sign(body)})
	if code != http.StatusRequestEntityTooLarge || got.Error != "too many JSON values; send smaller batches" {
		t.Errorf("%d %+v", code, got)
	}
}

const (
	aboutSecret     = `{"objectRef":{"resource":"secrets"},"requestObject":{"data":{"k":"djE="}}}`
	aboutSecretKept = `{"objectRef":{"resource":"secrets"},"requestObject":{"data":{"k":"[redacted]"}}}`
)

// left is what is kept of what does not parse.
func left(body string) string {
	return fmt.Sprintf("[%d bytes that are not JSON, SHA-256 %x]", len(body), sha256.Sum256([]byte(body)))
}

func TestServer(t *testing.T) {
	bearer := map[string]string{"Authorization": "Bearer " + token}
	tests := map[string]struct {
		method, path, body string
		header             map[string]string
		wantCode           int
		wantError          string
		wantField          string
		// wantStored is the body in the stream, wantLetter the one among the dead letters.
		wantStored, wantLetter string
	}{
		"stored without secrets": {
			path: "falco", body: `{"rule":"r", "n":12345678901234567890, "output_fields":{"env":"A=1 DB_PASSWORD=hunter2 <&>"}}`, header: bearer,
			wantCode: 202, wantStored: `{"n":12345678901234567890,"output_fields":{"env":"A=1 DB_PASSWORD=[redacted] <&>"},"rule":"r"}`,
		},
		"signed":                       {path: "signed", body: `{}`, header: map[string]string{"X-Signature-256": sign(`{}`)}, wantCode: 202, wantStored: `{}`},
		"signed, without the prefix":   {path: "signed", body: `{}`, header: map[string]string{"X-Signature-256": sign(`{}`)[7:]}, wantCode: 202, wantStored: `{}`},
		"signature of another body":    {path: "signed", body: `{"a":1}`, header: map[string]string{"X-Signature-256": sign(`{}`)}, wantCode: 401, wantField: "X-Signature-256", wantError: "wrong signature"},
		"signature that is no hex":     {path: "signed", body: `{}`, header: map[string]string{"X-Signature-256": "sha256=zz"}, wantCode: 401, wantField: "X-Signature-256", wantError: "wrong signature"},
		"no signature":                 {path: "signed", body: `{}`, header: bearer, wantCode: 401, wantField: "X-Signature-256", wantError: "missing signature"},
		"wrong token":                  {path: "falco", body: `{}`, header: map[string]string{"Authorization": "Bearer x" + token}, wantCode: 401, wantField: "Authorization", wantError: "wrong or missing token"},
		"the token's beginning":        {path: "falco", body: `{}`, header: map[string]string{"Authorization": "Bearer " + token[:5]}, wantCode: 401, wantField: "Authorization", wantError: "wrong or missing token"},
		"no token":                     {path: "falco", body: `{}`, wantCode: 401, wantField: "Authorization", wantError: "wrong or missing token"},
		"token as a password":          {path: "falco", body: `{}`, header: basic("falco", token), wantCode: 202, wantStored: `{}`},
		"a wrong password":             {path: "falco", body: `{}`, header: basic("falco", token+"x"), wantCode: 401, wantField: "Authorization", wantError: "wrong or missing token"},
		"no password":                  {path: "falco", body: `{}`, header: basic("falco", ""), wantCode: 401, wantField: "Authorization", wantError: "wrong or missing token"},
		"token as a user name":         {path: "falco", body: `{}`, header: basic(token, ""), wantCode: 401, wantField: "Authorization", wantError: "wrong or missing token"},
		"token as no base64":           {path: "falco", body: `{}`, header: map[string]string{"Authorization": "Basic " + token}, wantCode: 401, wantField: "Authorization", wantError: "wrong or missing token"},
		"another scheme":               {path: "falco", body: `{}`, header: map[string]string{"Authorization": "Token " + token}, wantCode: 401, wantField: "Authorization", wantError: "wrong or missing token"},
		"a password where one signs":   {path: "signed", body: `{}`, header: basic("falco", token), wantCode: 401, wantField: "X-Signature-256", wantError: "missing signature"},
		"malformed JSON":               {path: "falco", body: "{\n \"rule\": }", header: bearer, wantCode: 400, wantField: "body", wantError: "malformed JSON at line 2, column 10: invalid character '}'", wantLetter: left("{\n \"rule\": }")},
		"malformed JSON with a secret": {path: "falco", body: `{"password":"hunter2"`, header: bearer, wantCode: 400, wantField: "body", wantError: "malformed JSON at line 1", wantLetter: left(`{"password":"hunter2"`)},
		"two values":                   {path: "falco", body: `{} {}`, header: bearer, wantCode: 400, wantField: "body", wantError: "malformed JSON at line 1, column 4", wantLetter: "{}\n{}\n"},
		"an empty body":                {path: "falco", body: " ", header: bearer, wantCode: 400, wantField: "body", wantError: "malformed JSON: the body is empty"},
		"lines of JSON with Secrets": {
			path: "falco", body: strings.Repeat(aboutSecret+"\n", 2), header: bearer,
			wantCode: 400, wantField: "body", wantError: "malformed JSON at line 2, column 1", wantLetter: strings.Repeat(aboutSecretKept+"\n", 2),
		},
		"broken off in a Secret": {
			path: "falco", body: aboutSecret + "\n" + aboutSecret[:len(aboutSecret)-2] + "\n" + `{"k":"djE="}`, header: bearer,
			wantCode: 400, wantField: "body", wantError: "malformed JSON at line 2, column 1",
			wantLetter: aboutSecretKept + "\n" + left("\n"+aboutSecret[:len(aboutSecret)-2]+"\n"+`{"k":"djE="}`),
		},
		"malformed JSON of a stranger":  {path: "falco", body: `{`, wantCode: 401, wantField: "Authorization", wantError: "wrong or missing token"},
		"over the limit":                {path: "falco", body: `"` + strings.Repeat("x", 1024) + `"`, header: bearer, wantCode: 413, wantField: "body", wantError: "the body is over spec.maxBodyBytes of the AlertSource, 1024 bytes"},
		"unknown source":                {path: "nobody", body: `{}`, header: bearer, wantCode: 404, wantField: "path", wantError: `no AlertSource "nobody" in namespace "shop"`},
		"a source that is not in force": {path: "pending", body: `{}`, header: bearer, wantCode: 503, wantField: "path", wantError: "AlertSource shop/pending is not ready"},
		"another path":                  {path: "falco/x", body: `{}`, header: bearer, wantCode: 404, wantError: "no such path"},
		"another method":                {method: "GET", path: "falco", header: bearer, wantCode: 405, wantError: "GET is not allowed here"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.open(t)
			method := tc.method
			if method == "" {
				method = http.MethodPost
			}
			code, got := send(t, method, server(t, s).URL+"/v1/sources/shop/"+tc.path, tc.body, tc.header)
			if code != tc.wantCode || got.Field != tc.wantField || !strings.HasPrefix(got.Error, tc.wantError) || tc.wantError == "" && got.Error != "" {
				t.Errorf("%d %+v", code, got)
			}
			if strings.Contains(got.Error, token) {
				t.Errorf("the answer tells the token: %s", got.Error)
			}
			stored, err := s.Message(t.Context(), 1)
			if (err == nil) != (tc.wantStored != "") || string(stored.Body) != tc.wantStored {
				t.Errorf("stored %s, %v", stored.Body, err)
			}
			if wantID := s.ID() + "/1"; tc.wantCode == 202 && got.ID != wantID {
				t.Errorf("id %s, want %s", got.ID, wantID)
			}
			var letter string
			for _, l := range letters(t, s) {
				letter += string(l.Body)
			}
			if diff := cmp.Diff(tc.wantLetter, letter); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestServerRateLimit(t *testing.T) {
	w := newWorld(t)
	url := server(t, w.open(t)).URL + "/v1/sources/shop/slow"
	bearer := map[string]string{"Authorization": "Bearer " + token}
	// A stranger cannot use up the sender's limit.
	for range 5 {
		if code, _ := send(t, http.MethodPost, url, `{}`, nil); code != 401 {
			t.Errorf("without a token: %d", code)
		}
	}
	if code, got := send(t, http.MethodPost, url, `{}`, bearer); code != 202 {
		t.Errorf("first: %d %+v", code, got)
	}
	if code, got := send(t, http.MethodPost, url, `{}`, bearer); code != 429 || !strings.Contains(got.Error, "1 events a second") {
		t.Errorf("second: %d %+v", code, got)
	}
}

// batch is a list of n events, which are no events of Falco.
func batch(n int) string { return "[" + strings.Repeat("{},", n-1) + "{}]" }

func TestServerRateLimitCountsEvents(t *testing.T) {
	url := server(t, newWorld(t).open(t)).URL + "/v1/sources/shop/"
	steps := []struct {
		source, body string
		wantCode     int
	}{
		{"batches", batch(60), 202},
		{"batches", batch(60), 429}, // and what is refused uses nothing up
		{"batches", batch(40), 202},
		{"batches", batch(40), 429},
		{"slow", batch(1000), 202}, // more than will ever be allowed at once
		{"slow", `{}`, 429},
	}
	for i, step := range steps {
		code, got := send(t, http.MethodPost, url+step.source, step.body, map[string]string{"Authorization": "Bearer " + token})
		if code != step.wantCode {
			t.Errorf("step %d: %d %+v", i, code, got)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"slow", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err != nil || seconds < 500 || seconds > 1000 {
		t.Errorf("try again after %d s, %v", seconds, err)
	}
}

func TestServerBoundsTheEventsOfABody(t *testing.T) {
	url := server(t, newWorld(t).open(t)).URL + "/v1/sources/shop/signed"
	for n, wantCode := range map[int]int{10_000: 202, 10_001: 413, 400_000: 413} {
		code, got := send(t, http.MethodPost, url, batch(n), map[string]string{"X-Signature-256": sign(batch(n))})
		if code != wantCode || code == 413 && got.Error != fmt.Sprintf("the body holds %d events, at most 10000 are taken; send smaller batches", n) {
			t.Errorf("%d events: %d %+v", n, code, got)
		}
	}
}

// fullStore cannot store.
type fullStore struct{ tooLarge bool }

func (f fullStore) Publish(context.Context, string, string, []byte) (stream.Position, error) {
	if f.tooLarge {
		return stream.Position{}, fmt.Errorf("%w: x", stream.ErrTooLarge)
	}
	return stream.Position{}, stream.ErrUnavailable
}

func (f fullStore) Bury(context.Context, stream.DeadLetter) error { return stream.ErrUnavailable }

func TestServerAcceptsOnlyWhatIsStored(t *testing.T) {
	tests := map[string]struct {
		store    ingest.Store
		body     string
		wantCode int
	}{
		"event":           {fullStore{}, `{}`, 503},
		"dead letter":     {fullStore{}, `{`, 503},
		"event too large": {fullStore{tooLarge: true}, `{}`, 413},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			code, got := send(t, http.MethodPost, server(t, tc.store).URL+"/v1/sources/shop/falco", tc.body, map[string]string{"Authorization": "Bearer " + token})
			if code != tc.wantCode || got.ID != "" || got.Error == "" {
				t.Errorf("%d %+v", code, got)
			}
		})
	}
}

func TestCompileNamesTheField(t *testing.T) {
	noAuthentication := source("a", v1alpha1.FormatFalco)
	noAuthentication.Spec.Authentication = v1alpha1.SourceAuthentication{}
	badMapping := source("a", v1alpha1.FormatGeneric)
	badMapping.Spec.Mapping = &v1alpha1.GenericMapping{Rule: "event."}
	tests := map[string]struct {
		source *v1alpha1.AlertSource
		secret string
		want   []string
	}{
		"empty secret":      {source("a", v1alpha1.FormatFalco), "\n", []string{"spec.authentication.bearer.secretRef: "}},
		"no authentication": {noAuthentication, token, []string{"spec.authentication: exactly one of"}},
		"both wrong":        {badMapping, "", []string{"spec.mapping.rule: CEL does not compile", "spec.authentication.bearer.secretRef: "}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ingest.Compile(tc.source, []byte(tc.secret))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
		})
	}
}
