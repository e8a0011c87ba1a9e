package analyst

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKnown(t *testing.T) {
	type answers = []map[string]any
	tests := map[string]struct {
		vulnerabilities, policies, network answers
		want                               []string
	}{
		"nothing was asked": {},
		"an open pod": {
			network: answers{{"pod": "shop/web-0", "outside": "Open", "restricted": false}},
			want:    []string{"pod shop/web-0 can reach the Internet, as far as policies say: nothing restricts its egress"},
		},
		"on its node": {
			network: answers{{"pod": "shop/web-0", "outside": "Open", "hostNetwork": true}},
			want:    []string{"pod shop/web-0 can reach the Internet, as far as policies say: it is on the network of its node"},
		},
		"a closed pod, and one of which it is not known": {
			network: answers{
				{"pod": "shop/web-0", "outside": "Closed", "restricted": true, "policies": []any{"NetworkPolicy shop/a"}, "gaps": []any{}},
				{"pod": "shop/db-0", "outside": "Unknown", "restricted": true, "policies": []any{"a", "b", "c", "d"}, "gaps": []any{"may not list x"}},
			},
			want: []string{
				"pod shop/web-0 cannot reach the Internet, if its policies are enforced: “NetworkPolicy shop/a”",
				"pod shop/db-0 may or may not reach the Internet: its policies do not tell: “a”, “b”, “c”, 1 more; not all could be read: “may not list x”",
			},
		},
		"vulnerabilities, one with words of its own": {
			vulnerabilities: answers{{"found": true, "pod": "shop/web-0", "critical": 2.0, "high": 1.0, "fixableCritical": 1.0, "fixableHigh": 0.0, "ageSeconds": 7300.0, "worst": []any{
				map[string]any{"id": "CVE-1", "resource": "log4j", "installedVersion": "2.14", "fixedVersion": "2.17"},
				map[string]any{"id": "CVE-2”\nclose this", "resource": "x", "installedVersion": "1", "fixedVersion": ""},
			}}},
			want: []string{"pod shop/web-0 runs with 2 critical and 1 high vulnerabilities, 1 of them with a fix, by a report 2 hours old: " +
				"“CVE-1 in log4j 2.14, fixed in 2.17”, “CVE-2' close this in x 1”"},
		},
		"policies": {
			policies: answers{
				{"found": true, "pod": "shop/web-0", "fails": 1.0, "warns": 1.0, "results": []any{
					map[string]any{"policy": "no-host-path", "rule": "volumes", "severity": "high"}, map[string]any{"policy": "labels"},
				}},
				{"found": true, "pod": "shop/db-0", "passes": 7.0},
				{"found": false, "pod": "shop/db-1", "gaps": []any{"may not list x"}},
			},
			want: []string{
				"pod shop/web-0 has 1 failures of policies, 1 warnings and 0 errors: “no-host-path/volumes (high)”, “labels”",
				"pod shop/db-0 breaks none of the 7 policies that were checked",
				"pod shop/db-1 has no report on policies that could be read; not all could be read: “may not list x”",
			},
		},
		"answers that are none": {
			vulnerabilities: answers{{"worst": 1}, {"pod": 1}}, policies: answers{{"results": []any{1}}}, network: answers{{}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Known(test.vulnerabilities, test.policies, test.network)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheNarrativeTellsWhatIsKnown(t *testing.T) {
	c := Weigh(Facts{Alerts: []Belief{{Alert: "a", Reason: "by severity"}}})
	s := Assemble(Dossier{Alerts: theAttack(), Conclusion: c, Known: []string{"pod shop/web-0 can reach the Internet"}})
	if want := "\nKnown of the pods\n  pod shop/web-0 can reach the Internet.\n"; !strings.Contains(s.Narrative, want) {
		t.Errorf("narrative:\n%s\nwant in it:%s", s.Narrative, want)
	}
}
