package activity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// telling are attributes that tell what ran from what else a rule finds in the same place.
var telling = []string{"proc.cmdline", "proc.exepath", "proc.pname", "fd.name", "ka.uri.param[command]"}

// Look is a digest of the shapes of what tells events apart that one rule finds about one
// actor and one object: what ran, what a request asked for, with which client and from which
// network. The pod of a token, and whom a request was made as, are actors by themselves.
func Look(spec v1alpha1.AlertSpec) string {
	parts := []string{shape(nameless(spec)), product(spec.Attributes["userAgent"]), asked(spec.Attributes)}
	for _, name := range telling {
		parts = append(parts, shape(spec.Attributes[name]))
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", parts, networks(spec.Entities)))
	return hex.EncodeToString(sum[:])
}

// networks of the addresses, each once.
func networks(entities []v1alpha1.Entity) []string {
	var found []string
	for _, e := range entities {
		if e.Type != v1alpha1.EntityIP {
			continue
		}
		if address, err := netip.ParseAddr(e.Value); err == nil {
			found = append(found, network(address))
		} else {
			found = append(found, e.Value)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// shortened ends a URI of which a part is only in a digest.
var shortened = regexp.MustCompile(`~[0-9a-f]{16}$`)

// asked is what a request has a running thing do: the command of an exec, what a proxy
// passes on. A URI that cannot be read, or not to its end, is taken as it is: padding must
// not hide what comes after it.
func asked(attributes map[string]string) string {
	uri := attributes["requestURI"]
	_, subresource, _ := strings.Cut(attributes["resource"], "/")
	switch subresource {
	case "exec", "attach":
		_, raw, _ := strings.Cut(uri, "?")
		if query, err := url.ParseQuery(raw); err == nil && !shortened.MatchString(uri) {
			return shape(strings.Join(query["command"], "\x00"))
		}
		return uri
	case "proxy":
		if !shortened.MatchString(uri) {
			return shape(uri)
		}
		return uri
	}
	return ""
}
