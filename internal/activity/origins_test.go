package activity

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// of a pod: the token is bound to it.
func of(pod string) func(map[string]any) {
	return set("user", map[string]any{"username": web, "extra": map[string]any{"authentication.kubernetes.io/pod-name": []any{pod}}})
}

func with(userAgent string) func(map[string]any) { return set("userAgent", userAgent) }

func by(username string) func(map[string]any) {
	return set("user", map[string]any{"username": username})
}

// request of the ServiceAccount shop/web from its pod, as ever.
func request(edits ...func(map[string]any)) map[string]any {
	all := append([]func(map[string]any){of("web-79fc758899-mgj2w"), with("web/1.0 (linux)")}, edits...)
	return event("get", "configmaps", "shop", "settings", all...)
}

func TestOrigin(t *testing.T) {
	const day = 24 * time.Hour
	type record struct {
		raw map[string]any
		at  time.Duration
	}
	// The workload's pod, and weeks in which it asked as ever.
	routine := []record{{podOf("web-79fc758899", "ghcr.io/shop/web:1"), -21 * day}, {request(), -20 * day}, {request(), -2 * day}}
	asEver := Origin{Known: 20 * day, Networks: 1, Clients: 1, Workloads: 1, Seen: true}
	edited := func(edit func(*Origin)) Origin {
		o := asEver
		edit(&o)
		return o
	}
	tests := map[string]struct {
		records         []record
		want            Origin
		asEver, strange bool
	}{
		"nothing is known":        {},
		"nothing since":           {records: routine, want: edited(func(o *Origin) { o.Seen = false })},
		"as ever":                 {records: append(routine, record{request(), 0}), want: asEver, asEver: true},
		"another pod of the same": {records: append(routine, record{request(of("web-79fc758899-x7k2p")), 0}), want: asEver, asEver: true},
		"another release":         {records: append(routine, record{request(with("web/2.0")), 0}), want: asEver, asEver: true},
		"an address nearby": {
			records: append(routine, record{request(from("10.0.7.7")), 0}),
			want:    edited(func(o *Origin) { o.NewAddress = "10.0.7.7" }), asEver: true,
		},
		"an address in the form of IPv6": {records: append(routine, record{request(from("::ffff:10.0.0.1")), 0}), want: asEver, asEver: true},
		"another network": {
			records: append(routine, record{request(from("10.9.0.1")), 0}),
			want:    edited(func(o *Origin) { o.NewAddress, o.NewNetwork = "10.9.0.1", "10.9.0.0/16" }),
		},
		"the first of two networks": {
			records: append(routine, record{request(from("10.9.0.1")), 0}, record{request(from("10.10.0.1")), time.Minute}),
			want:    edited(func(o *Origin) { o.NewAddress, o.NewNetwork = "10.10.0.1", "10.10.0.0/16" }),
		},
		"from outside": {
			records: append(routine, record{request(from("2001:db8:7::1")), 0}),
			want: edited(func(o *Origin) {
				o.NewAddress, o.NewNetwork, o.Outside, o.LeftInside = "2001:db8:7::1", "2001:db8::/32", true, true
			}),
			strange: true,
		},
		"from outside, as ever": {
			records: []record{{request(from("203.0.113.7")), -20 * day}, {request(from("203.0.113.7")), 0}},
			want:    edited(func(o *Origin) { o.Outside = true }), asEver: true,
		},
		"what a header claims does not count": {
			records: append(routine, record{request(set("sourceIPs", []any{"203.0.113.5", "10.0.0.1"})), 0}), want: asEver, asEver: true,
		},
		"from what is no address": {records: append(routine, record{request(from("@")), 0}), want: asEver, asEver: true},
		"another client": {
			records: append(routine, record{request(with("curl/8.0")), 0}),
			want:    edited(func(o *Origin) { o.NewClient = "curl" }), strange: true,
		},
		"a token of no pod": {
			records: append(routine, record{request(by(web)), 0}),
			want:    edited(func(o *Origin) { o.LeftPod = true }), strange: true,
		},
		"a token of no pod, as ever": {
			records: append(routine, record{request(by(web)), -20 * day}, record{request(by(web)), 0}), want: asEver, asEver: true,
		},
		"a token of another workload's pod": {
			records: append(routine, record{request(of("api-79fc758899-mgj2w")), 0}),
			want:    edited(func(o *Origin) { o.OtherWorkload = "shop/api" }),
		},
		"a pod where there never was one": {
			records: []record{{request(by(web)), -20 * day}, {request(), 0}}, want: edited(func(o *Origin) { o.Workloads = 0 }),
		},
		"a pod that somebody made and named alike": {
			records: append(routine,
				record{event("create", "pods", "shop", "web-79fc758899-x7k2p", by("mallory")), -time.Minute}, record{request(of("web-79fc758899-x7k2p")), 0}),
			want: edited(func(o *Origin) { o.OtherWorkload = "@mallory" }),
		},
		"runs of a pipeline": {
			records: []record{
				{request(of("build-4711-x7k2p")), -20 * day}, {request(of("build-4712-mgj2w")), -2 * day}, {request(of("build-4713-b8c9d")), 0}},
			want: asEver, asEver: true,
		},
		"what was used within the last day is not known": {
			records: append(routine, record{request(from("10.9.0.1"), with("curl/8.0"), of("api-0")), -23 * time.Hour}, record{request(from("10.9.0.1"), with("curl/8.0"), of("api-0")), 0}),
			want: edited(func(o *Origin) {
				o.NewAddress, o.NewNetwork, o.NewClient, o.OtherWorkload = "10.9.0.1", "10.9.0.0/16", "curl", "shop/api"
			}),
			strange: true,
		},
		"what was used in three hours more than a day ago is, but not as ever": {
			records: append(routine, record{request(from("10.9.0.1"), with("curl/8.0"), of("api-0")), -25 * time.Hour},
				record{request(from("10.9.0.1"), with("curl/8.0"), of("api-0")), -26 * time.Hour}, record{request(from("10.9.0.1"), with("curl/8.0"), of("api-0")), -27 * time.Hour},
				record{request(from("10.9.0.1"), with("curl/8.0"), of("api-0")), 0}),
			want: edited(func(o *Origin) { o.Networks, o.Clients, o.Workloads = 2, 2, 2 }),
		},
		"what was used in one hour more than a day ago is a visitor's": {
			records: append(routine, record{request(from("10.9.0.1"), with("curl/8.0")), -25 * time.Hour}, record{request(from("10.9.0.1"), with("curl/8.0")), 0}),
			want:    edited(func(o *Origin) { o.NewAddress, o.NewNetwork, o.NewClient = "10.9.0.1", "10.9.0.0/16", "curl" }), strange: true,
		},
		"what nothing can be compared with is not new": {
			records: []record{{request(), -2 * day}, {request(from("203.0.113.7"), with("curl/8.0")), 0}},
			want:    Origin{Known: 2 * day, Outside: true, Seen: true},
		},
		"of whom nobody knew, nothing is new": {
			records: []record{{request(), -23 * time.Hour}, {request(by(web), from("203.0.113.7"), with("curl/8.0")), 0}},
			want:    Origin{Outside: true, Seen: true},
		},
		"the control plane comes from everywhere": {
			records: []record{{request(by("system:kube-controller-manager")), -20 * day}, {request(by("system:kube-controller-manager"), from("203.0.113.7")), 0}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(DefaultLimits)
			actor := web
			for _, r := range test.records {
				m.Record("soc", r.raw, noon.Add(r.at))
				if name := r.raw["user"].(map[string]any)["username"].(string); name == "system:kube-controller-manager" {
					actor = name
				}
			}
			got := m.Origin("soc", actor, noon)
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(Origin{}, "Age")); diff != "" || got.AsEver() != test.asEver || got.Strange() != test.strange {
				t.Errorf("as ever %v, want %v; strange %v, want %v; (-want +got):\n%s", got.AsEver(), test.asEver, got.Strange(), test.strange, diff)
			}
			if got := m.Origin("other", actor, noon); got != (Origin{}) {
				t.Errorf("another tenant knows %+v", got)
			}
		})
	}
}

// TestOriginOfACrowd: who came with more than is remembered does not come as ever.
func TestOriginOfACrowd(t *testing.T) {
	limits := DefaultLimits
	limits.Origins = 16 * shares
	m := New(limits)
	m.Record("soc", request(), noon.Add(-48*time.Hour))
	for i := range 100 {
		m.Record("soc", request(from(fmt.Sprintf("10.0.1.%d", i))), noon.Add(-47*time.Hour))
	}
	m.Record("soc", request(), noon)
	if o := m.Origin("soc", web, noon); !o.Crowded || o.AsEver() {
		t.Errorf("%+v", o)
	}
}
