package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const (
	maxSlug = 40
	// nameDigits of a digest tell alerts of one rule apart.
	nameDigits = 10
)

// Fingerprint identifies what an alert is about: hex SHA-256 over namespace, source,
// rule, the deed where detection tells one, and the actors and targets in any order;
// over all entities if it has neither. OfLook makes it tell repeats.
func Fingerprint(namespace, source, rule, deed string, entities []v1alpha1.Entity) string {
	var keys []string
	for _, e := range entities {
		if e.Role == v1alpha1.RoleActor || e.Role == v1alpha1.RoleTarget {
			keys = append(keys, string(e.Role)+":"+e.Key())
		}
	}
	if len(keys) == 0 {
		for _, e := range entities {
			keys = append(keys, e.Key())
		}
	}
	slices.Sort(keys)
	parts := []string{namespace, source, rule}
	if deed != "" {
		parts = append(parts, deed)
	}
	return digest(append(parts, slices.Compact(keys)...)...)
}

// OfLook is the fingerprint of what has a look: whatever explained a routine does not explain
// another command by the same rule in the same pod, which is thus no repeat of it.
func OfLook(fingerprint, look string) string { return digest(fingerprint, look) }

func digest(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		// The length keeps parts apart whatever they hold.
		fmt.Fprintf(hash, "%d:", len(part))
		_, _ = io.WriteString(hash, part) // A hash never errs.
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// AlertName is the same for the same first event, so that creating it twice is
// noticed: the rule as a slug, and digits from fingerprint and first time.
func AlertName(spec v1alpha1.AlertSpec) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s@%d", spec.Fingerprint, spec.FirstSeen.UnixMicro()))
	return slug(spec.Rule) + "-" + hex.EncodeToString(sum[:])[:nameDigits]
}

func slug(rule string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(rule) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == maxSlug {
			break
		}
	}
	if s := strings.TrimRight(b.String(), "-"); s != "" {
		return s
	}
	return "alert"
}
