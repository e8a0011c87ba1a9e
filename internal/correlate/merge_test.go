package correlate

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMerging(t *testing.T) {
	const eve, web = "Actor User eve", "Actor ServiceAccount shop/web"
	webUser := "system:serviceaccount:shop:web"
	alert := func(minute int, name string, entities ...string) step {
		return step{minute: minute, alert: name, entities: entities}
	}
	event := func(minute int, e map[string]any) step { return step{minute: minute, event: e} }
	created := func(pod string) map[string]any { return did(by("eve", "", ""), "create pods shop/"+pod, "") }
	tests := map[string]struct {
		steps []step
		want  []string
	}{
		"an alert about both": {
			steps: []step{alert(0, "victim", "Target Pod shop/v"), alert(1, "eve", eve), alert(2, "both", eve, "Target Pod shop/v"), alert(3, "victim again", "Target Pod shop/v"), alert(4, "eve again", eve)},
			want:  []string{"victim eve both victim again eve again"},
		},
		"three at once": {
			steps: []step{alert(0, "a", "Target Pod shop/a"), alert(1, "b", "Target Pod shop/b"), alert(2, "eve", eve), alert(3, "all", eve, "Target Pod shop/a", "Target Pod shop/b")},
			want:  []string{"a b eve all"},
		},
		"one after the other": {
			steps: []step{alert(0, "a", "Target Pod shop/a"), alert(1, "b", "Target Pod shop/b"), alert(2, "c", "Target Pod shop/c"), alert(3, "b c", "Target Pod shop/b", "Target Pod shop/c"), alert(4, "a c", "Target Pod shop/a", "Target Pod shop/c")},
			want:  []string{"a b c b c a c"},
		},
		"beyond the window nothing merges": {
			steps: []step{alert(0, "victim", "Target Pod shop/v"), alert(61, "eve", eve), alert(62, "both", eve, "Target Pod shop/v")},
			want:  []string{"victim", "eve both"},
		},
		"a link that is learned late": {
			steps: []step{alert(0, "shell", "Actor Pod shop/web-0"), alert(1, "secrets", web), event(2, by(webUser, "web-0", "")), alert(3, "shell again", "Actor Pod shop/web-0")},
			want:  []string{"shell secrets shell again"},
		},
		"from the address of a pod with a case": {
			steps: []step{
				alert(0, "pod", "Actor Pod shop/web-0"), alert(1, "ledger", "Actor ServiceAccount bank/ledger"), event(2, by(webUser, "web-0", "10.0.0.7")),
				alert(3, "both", "Actor ServiceAccount bank/ledger", "Related IP 10.0.0.7"),
			},
			want: []string{"pod ledger both"},
		},
		"pods of one account merge only where they stood for it first": {
			steps: []step{
				event(0, by(webUser, "web-0", "")), event(0, by(webUser, "web-1", "")), alert(1, "0", "Actor Pod shop/web-0"), alert(1, "1", "Actor Pod shop/web-1"),
				alert(2, "account", web), alert(3, "0 again", "Actor Pod shop/web-0"), alert(3, "1 again", "Actor Pod shop/web-1"),
			},
			want: []string{"0 account 0 again", "1 1 again"},
		},
		"pods of one creator": {
			steps: []step{
				event(0, created("a")), event(0, created("b")), alert(1, "a", "Actor Pod shop/a"), alert(1, "b", "Actor Pod shop/b"),
				alert(2, "eve", eve), alert(3, "b again", "Actor Pod shop/b"), alert(3, "a again", "Actor Pod shop/a"),
			},
			want: []string{"a eve a again", "b b again"},
		},
		"what all share merges nothing": {
			steps: []step{
				alert(0, "a", "Actor Pod shop/a"), alert(0, "b", "Actor Pod shop/b"),
				alert(1, "a again", "Actor Pod shop/a", "Related Node n", "Actor User system:anonymous", "Related IP 10.0.0.1"),
				alert(1, "b again", "Actor Pod shop/b", "Related Node n", "Actor User system:anonymous", "Related IP 10.0.0.1"),
			},
			want: []string{"a a again", "b b again"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, play(NewIndex(), tt.steps)); diff != "" {
				t.Errorf("cases (-want +got):\n%s", diff)
			}
		})
	}
}

// The alert says what it merges; whoever comes next joins the older case.
func TestJoinsAreSaid(t *testing.T) {
	i := NewIndex()
	older, _ := i.Join("soc", "a", seen{minute: 0, entities: []string{"Target Pod shop/v"}}.spec())
	younger, _ := i.Join("soc", "b", seen{minute: 1, entities: []string{"Actor User eve"}}.spec())
	name, joins := i.Join("soc", "c", seen{minute: 2, entities: []string{"Actor User eve", "Target Pod shop/v"}}.spec())
	if name != older || cmp.Diff([]string{younger}, joins) != "" {
		t.Errorf("joined %s and %v, want %s and %s", name, joins, older, younger)
	}
	if again, joins := i.Join("soc", "d", seen{minute: 3, entities: []string{"Actor User eve"}}.spec()); again != older || joins != nil {
		t.Errorf("then joined %s and %v", again, joins)
	}
	if first := i.join("soc", "b", alertOf()); first != younger {
		t.Errorf("alert b went to %s, then to %s", younger, first)
	}
	i.Close("soc", older, true)
	if closed, byHuman := i.Closed("soc", younger); !closed || !byHuman {
		t.Error("what a human closed takes alerts under the name of a case that was merged into it")
	}
}

// What is decided elsewhere stands, whichever way it was guessed here.
func TestMergeTheOtherWayRound(t *testing.T) {
	i := NewIndex()
	a, _ := i.Join("soc", "a", seen{minute: 0, entities: []string{"Target Pod shop/v"}}.spec())
	b, _ := i.Join("soc", "b", seen{minute: 1, entities: []string{"Actor User eve"}}.spec())
	i.Join("soc", "c", seen{minute: 2, entities: []string{"Actor User eve", "Target Pod shop/v"}}.spec())
	for range 2 {
		i.Merge("soc", a, b)
	}
	for n, entity := range []string{"Actor User eve", "Target Pod shop/v"} {
		if got := i.join("soc", fmt.Sprint("late", n), seen{minute: 3, entities: []string{entity}}.spec()); got != b {
			t.Errorf("%s joined %s, want %s", entity, got, b)
		}
	}
	i.Merge("soc", b, "oldest")
	if got := i.Root("soc", a); got != "oldest" {
		t.Errorf("a is held by %s", got)
	}
	i.Merge("soc", "oldest", "oldest")
	if got := i.join("soc", "last", seen{minute: 4, entities: []string{"Actor User eve"}}.spec()); got != "oldest" {
		t.Errorf("joined %s", got)
	}
}

// After a restart, what was merged is one case.
func TestOpenedAfterMerge(t *testing.T) {
	i := NewIndex()
	i.Merge("soc", "younger", "older")
	i.Opened("soc", "younger", "a", alertOf("Actor User eve"))
	if got := i.join("soc", "b", alertOf("Actor User eve")); got != "older" {
		t.Errorf("joined %s", got)
	}
	if got := i.join("soc", "a", alertOf()); got != "younger" {
		t.Errorf("alert a is labelled %s", got)
	}
}

func TestMergedStaysBounded(t *testing.T) {
	i := newIndex(100)
	for n := range 2000 {
		at := seen{minute: n % 50, entities: []string{fmt.Sprint("Actor User u", n%30), fmt.Sprint("Target Pod shop/", n%70)}}
		i.join("soc", fmt.Sprint(n), at.spec())
	}
	held := 0
	for key, c := range i.cases {
		if _, merged := i.merged.Get(key); merged {
			t.Errorf("case %v was merged and is still open", key)
		}
		for entity := range c.keys {
			if e, ok := i.entries.Peek(entity); !ok || e.name != key.name {
				t.Errorf("case %v claims %v, which is %v", key, entity, e)
			}
		}
		held += len(c.keys)
	}
	if held != i.entries.Len() || held > 100 {
		t.Errorf("the cases hold %d entities of %d", held, i.entries.Len())
	}
}
