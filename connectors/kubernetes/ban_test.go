package kubernetes

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/validation"
)

func TestRepositoryPattern(t *testing.T) {
	tests := map[string]struct {
		repository, full string
		want, wantNot    []string
	}{
		"of Docker's own": {
			repository: "nginx", full: "docker.io/library/nginx",
			want: []string{
				"nginx", "nginx:1.29", "library/nginx", "docker.io/nginx", "docker.io/library/nginx:1@sha256:0", "index.docker.io/library/nginx", "Docker.IO/nginx", "docker.io:443/library/nginx",
			},
			wantNot: []string{"nginx2", "mynginx", "example.com/nginx", "example.com/library/nginx", "nginx/nginx", "library/nginx/more", "docker.io.example.com/library/nginx"},
		},
		"of somebody at Docker": {
			repository: "docker.io/mallory/miner", full: "docker.io/mallory/miner",
			want:    []string{"mallory/miner", "mallory/miner:v1", "docker.io/mallory/miner@sha256:0"},
			wantNot: []string{"miner", "library/mallory/miner", "example.com/mallory/miner"},
		},
		"of a registry": {
			repository: "Registry.example.com:443/team/web", full: "registry.example.com/team/web",
			want:    []string{"registry.example.com/team/web", "registry.example.com:443/team/web:1", "REGISTRY.EXAMPLE.COM/team/web@sha256:0"},
			wantNot: []string{"registryxexample.com/team/web", "registry.example.com/team/web2", "registry.example.com/team/web/two", "registry.example.com:5000/team/web", "team/web"},
		},
		"of a registry with a port": {
			repository: "localhost:5000/web", full: "localhost:5000/web",
			want: []string{"localhost:5000/web:1"}, wantNot: []string{"localhost/web", "web"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			full, pattern, err := repositoryPattern(test.repository)
			if err != nil || full != test.full {
				t.Fatalf("got %s, %v; want %s", full, err, test.full)
			}
			again, same, err := repositoryPattern(full)
			if diff := cmp.Diff([]any{full, pattern, nil}, []any{again, same, err}); diff != "" {
				t.Errorf("its full name is spelled in other ways (-want +got):\n%s", diff)
			}
			for _, image := range test.want {
				if !regexp.MustCompile(pattern).MatchString(image) {
					t.Errorf("%s passes %s", image, pattern)
				}
			}
			for _, image := range test.wantNot {
				if regexp.MustCompile(pattern).MatchString(image) {
					t.Errorf("%s is held by %s", image, pattern)
				}
			}
		})
	}
	for _, wrong := range []string{"nginx:1", "nginx@sha256:" + strings.Repeat("0", 64), "UPPER/Case", "a b", "-", "http://example.com/a"} {
		if _, _, err := repositoryPattern(wrong); err == nil {
			t.Errorf("%q passes as a repository", wrong)
		}
	}
}

func TestBanNames(t *testing.T) {
	seen := map[string]string{}
	for _, what := range []string{"alice", "Alice", "alice@example.com", "alice.example.com", "ünïcode", "\n", strings.Repeat("long", 100), "system:serviceaccount:shop:web"} {
		got := banName("tocsin-lock-", what)
		if wrong := validation.NameIsDNSSubdomain(got, false); len(wrong) > 0 {
			t.Errorf("%q becomes %s: %v", what, got, wrong)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q are both %s", what, other, got)
		}
		seen[got] = what
	}
}

// Whatever a user is called, the expression compares with just that.
func FuzzCELString(f *testing.F) {
	for _, seed := range []string{"alice", `" || true || "`, `\`, "a\nb", "a\x00b", "ünï", "\u2028", "😀", "'", "`", "\x7f", "\ufeff"} {
		f.Add(seed)
	}
	env, err := cel.NewEnv()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "")
		parsed, issues := env.Compile(celString(text))
		if issues.Err() != nil {
			t.Fatalf("%q: %v", text, issues.Err())
		}
		program, err := env.Program(parsed)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := program.Eval(cel.NoVars()); err != nil || got.Value() != text {
			t.Errorf("%q becomes %v, %v", text, got, err)
		}
	})
}
