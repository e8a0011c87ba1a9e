// Package redact takes secrets out of what senders report, before it is stored,
// logged, shown or sent to a model. It is pure: values in, values out.
package redact

import "strings"

// Mark stands in place of what was taken out.
const Mark = "[redacted]"

// JSON returns a copy of a plain JSON value (nil, bool, number, string, []any,
// map[string]any) without secrets. It knows them by structure (data of Secrets,
// name/value pairs of containers, command line flags), by the names of fields,
// and by their own looks (see String). Types, keys and lengths of lists stay.
func JSON(v any) any { return walker{}.value(v) }

// walker carries what the enclosing objects say of a value.
type walker struct {
	// secret: the value belongs to a Kubernetes Secret.
	secret bool
}

func (w walker) value(v any) any {
	switch t := v.(type) {
	case string:
		return String(t)
	case []any:
		return w.list(t)
	case map[string]any:
		return w.object(t)
	}
	return v
}

func (w walker) object(in map[string]any) map[string]any {
	w.secret = w.secret || isSecret(in)
	out := make(map[string]any, len(in))
	for key, v := range in {
		switch {
		case w.secret && holdsSecretData(key):
			out[key] = erase(v)
		case w.secret && key == "value" && patchesSecretData(in):
			out[key] = erase(v)
		case key == "value" && namesSecret(in["name"]), secretField(key):
			out[key] = w.eraseText(v)
		default:
			out[key] = w.value(v)
		}
	}
	return out
}

// list redacts also the value that follows a flag, as in ["--password", "x"].
func (w walker) list(in []any) []any {
	out := make([]any, len(in))
	afterFlag := false
	for i, v := range in {
		s, isText := v.(string)
		if isText && afterFlag && s != "" {
			out[i] = Mark
			afterFlag = false
			continue
		}
		out[i] = w.value(v)
		afterFlag = isText && strings.HasPrefix(s, "-") && !strings.ContainsAny(s, "= ") && namesSecret(strings.TrimLeft(s, "-"))
	}
	return out
}

// eraseText erases text and lists of text; objects (such as a volume named
// secret) are looked into instead.
func (w walker) eraseText(v any) any {
	switch t := v.(type) {
	case string:
		return erase(t)
	case []any:
		out := make([]any, len(t))
		for i, item := range t {
			out[i] = w.eraseText(item)
		}
		return out
	}
	return w.value(v)
}

// erase keeps the shape: keys of objects and lengths of lists tell what was touched.
func erase(v any) any {
	switch t := v.(type) {
	case nil, bool:
		return v
	case string:
		if t == "" {
			return ""
		}
		return Mark
	case []any:
		out := make([]any, len(t))
		for i := range t {
			out[i] = erase(t[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(t))
		for key, item := range t {
			out[key] = erase(item)
		}
		return out
	}
	return Mark
}
