package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// refusal is why a sender is not let in. It never tells what would have been right.
type refusal struct{ field, message string }

// Error implements error.
func (r *refusal) Error() string { return r.field + ": " + r.message }

// authenticator proves a sender, in time that does not depend on how much of a
// secret was guessed.
type authenticator interface {
	// header is checked before the body is read; nil lets it pass.
	header(http.Header) *refusal
}

// bodyAuthenticator is one whose sender is proven by the body only.
type bodyAuthenticator interface {
	authenticator
	body(http.Header, []byte) *refusal
}

const defaultSignatureHeader = "X-Signature-256"

func newAuthenticator(spec v1alpha1.SourceAuthentication, secret []byte) (authenticator, error) {
	// Secrets made from files end in a newline that no sender sends.
	secret = bytes.TrimRight(secret, "\r\n")
	switch {
	case spec.Bearer != nil && spec.HMAC == nil:
		if len(secret) == 0 {
			return nil, errors.New("spec.authentication.bearer.secretRef: the Secret's key is empty; put the token there")
		}
		return bearer{digest: sha256.Sum256(secret)}, nil
	case spec.HMAC != nil && spec.Bearer == nil:
		if len(secret) == 0 {
			return nil, errors.New("spec.authentication.hmac.secretRef: the Secret's key is empty; put the shared key there")
		}
		name := spec.HMAC.Header
		if name == "" {
			name = defaultSignatureHeader
		}
		return signature{name: name, key: secret}, nil
	}
	return nil, errors.New("spec.authentication: exactly one of bearer and hmac must be set")
}

// bearer compares digests, so that not even the token's length shows.
type bearer struct{ digest [sha256.Size]byte }

func (b bearer) header(h http.Header) *refusal {
	got := sha256.Sum256([]byte(presented(h)))
	if subtle.ConstantTimeCompare(got[:], b.digest[:]) != 1 {
		return &refusal{"Authorization", `wrong or missing token; send "Authorization: Bearer <token>" with the token of the AlertSource's Secret, ` +
			`or http://<any name>:<token>@... where only a URL can be set`}
	}
	return nil
}

// presented is the token that a sender shows. Falco's http_output sends no header
// of its own, but what its URL holds as a password.
func presented(h http.Header) string {
	if _, password, basic := (&http.Request{Header: h}).BasicAuth(); basic {
		return password
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

type signature struct {
	name string
	key  []byte
}

func (s signature) header(h http.Header) *refusal {
	if h.Get(s.name) == "" {
		return &refusal{s.name, "missing signature; send the hex HMAC-SHA256 of the body, made with the key of the AlertSource's Secret"}
	}
	return nil
}

func (s signature) body(h http.Header, body []byte) *refusal {
	got, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(h.Get(s.name)), "sha256="))
	mac := hmac.New(sha256.New, s.key)
	mac.Write(body)
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		return &refusal{s.name, "wrong signature; send the hex HMAC-SHA256 of the body, made with the key of the AlertSource's Secret"}
	}
	return nil
}
