package operation

import (
	"strings"
	"testing"
)

var label = MustCompile(Operation{
	Name: "label",
	Arguments: `{"type": "object", "additionalProperties": false, "required": ["kind", "name"],
		"properties": {"kind": {"enum": ["Pod", "Node"]}, "namespace": {"type": "string"}, "name": {"type": "string", "pattern": "^[a-z]+$"}},
		"if": {"properties": {"kind": {"const": "Node"}}}, "then": {"properties": {"namespace": false}}, "else": {"required": ["namespace"]}}`,
	Result: `{"type": "object", "properties": {
		"owner": {"type": "object", "additionalProperties": false, "properties": {"name": {"type": "string"}}},
		"labels": {"type": "object", "additionalProperties": {"type": "string"}}, "images": {"type": "array"}}}`,
	Untrusted: []string{"owner.name", "labels"},
})[0]

func TestValidateTemplate(t *testing.T) {
	tests := map[string]struct {
		arguments map[string]any
		open      map[string]bool
		want      string
	}{
		"all known":                        {map[string]any{"kind": "Pod", "namespace": "shop", "name": "web"}, nil, ""},
		"all known, one wrong":             {map[string]any{"kind": "Pod", "namespace": "shop", "name": "WEB"}, nil, "argument name"},
		"all known, one missing":           {map[string]any{"kind": "Pod", "name": "web"}, nil, "namespace"},
		"an open one is not looked at":     {map[string]any{"kind": "Pod", "namespace": "shop", "name": nil}, map[string]bool{"name": true}, ""},
		"an open one, another wrong":       {map[string]any{"kind": "Cat", "namespace": "shop", "name": nil}, map[string]bool{"name": true}, "argument kind"},
		"an open one, another missing":     {map[string]any{"name": nil}, map[string]bool{"name": true}, "kind"},
		"a rule over several waits":        {map[string]any{"kind": nil, "name": "web"}, map[string]bool{"kind": true}, ""},
		"a name that does not exist":       {map[string]any{"kind": "Pod", "names": "web"}, nil, "argument names: there is none of this name; there are [kind name namespace]"},
		"an open name that does not exist": {map[string]any{"kind": "Pod", "names": nil}, map[string]bool{"names": true}, "argument names"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := label.ValidateTemplate(tt.arguments, tt.open)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCheckResultPath(t *testing.T) {
	for path, want := range map[string]string{
		"": "", "owner": "", "owner.name": "", "labels": "", "labels.app": "", "images": "",
		"ownr":         "field ownr: there is none of this name; there are [images labels owner]",
		"owner.nme":    "field owner.nme: there is none of this name; there are [name]",
		"owner.name.x": "",
	} {
		err := label.CheckResultPath(path)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%q: error %v, want %q", path, err, want)
		}
	}
}

func TestAttackerWritable(t *testing.T) {
	for path, want := range map[string]bool{
		"": true, "owner": true, "owner.name": true, "owner.name.x": true, "owner.kind": false, "labels.app": true, "label": false, "images": false,
	} {
		if got := label.AttackerWritable(path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}
