package correlate

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const (
	// maxSlug is how much of the main entity a name shows.
	maxSlug = 40
	// hashLength in hex digits: with 50,000 cases of one slug a clash has odds of one to a thousand.
	hashLength = 10
)

// caseName is a DNS label that tells what the case is about, the same for the same alert.
func caseName(namespace, alert string, entities []v1alpha1.Entity) string {
	sum := sha256.Sum256([]byte(namespace + "/" + alert))
	return slug(entities) + "-" + hex.EncodeToString(sum[:])[:hashLength]
}

// slug of the main entity: the namespace it is in, or else its name.
func slug(entities []v1alpha1.Entity) string {
	for _, role := range []v1alpha1.EntityRole{v1alpha1.RoleActor, v1alpha1.RoleTarget, v1alpha1.RoleRelated, ""} {
		for _, e := range entities {
			if e.Role != role {
				continue
			}
			if s := label(place(e)); s != "" {
				return s
			}
		}
	}
	return "case"
}

func place(e v1alpha1.Entity) string {
	parts := strings.Split(e.Value, "/")
	switch e.Type {
	case v1alpha1.EntityPod, v1alpha1.EntityServiceAccount:
		return parts[0]
	case v1alpha1.EntityWorkload, v1alpha1.EntityKubernetesObject:
		return parts[min(1, len(parts)-1)]
	}
	return e.Value
}

// label makes text fit a DNS label.
func label(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, strings.ToLower(text))
	if len(text) > maxSlug {
		text = text[:maxSlug]
	}
	return strings.Trim(text, "-")
}
