package activity

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// settling is how long before a moment something must have been seen to be known then:
// what an intruder did in the hours before an alert makes nothing usual.
const settling = 24 * time.Hour

const (
	// settledHours and settledSince: what was seen in as many different hours, or so long ago,
	// is no visitor's.
	settledHours = 3
	settledSince = 7 * 24 * time.Hour
)

// settled: it was seen a day before a moment, and is no visitor's.
func (h *habit) settled(moment time.Time) bool {
	if !h.seenBefore(moment.Add(-settling)) {
		return false
	}
	_, hours := h.before(moment)
	return hours >= settledHours || moment.UnixMicro()-h.first >= settledSince.Microseconds()
}

// What an actor's requests come with.
const (
	facetPod     = "pod"     // the workload or maker whose pod the token is bound to; empty for none
	facetAddress = "address" // that connected
	facetNetwork = "network" // that the address is of
	facetSide    = "side"    // of the networks around the cluster that the address is on
	facetClient  = "client"  // product that the user agent names
)

const (
	sideInside  = "inside"
	sideOutside = "outside"
)

func facet(kind, value string) string { return bounded(kind + "\x00" + value) }

// sawOrigin remembers what a request came with. What the cluster does itself comes from
// everywhere.
func (t *tenant) sawOrigin(who *actor, e auditevent.Event, at time.Time) {
	if e.ByControlPlane() {
		return
	}
	seen := func(kind, value string) { t.origins.seen(bounded(e.Actor()), facet(kind, value), at) }
	seen(facetClient, product(e.UserAgent))
	if account := e.User.ServiceAccount(); account != "" {
		workload := ""
		if e.User.Pod != "" {
			workload = t.boundTo(Subject{Pod: namespaceOf(account) + "/" + e.User.Pod})
		}
		seen(facetPod, workload)
	}
	for _, facet := range who.facetsOf(e.Address) {
		t.origins.seen(bounded(e.Actor()), facet, at)
	}
}

// facetsOf an address, which is mostly that of the request before.
func (a *actor) facetsOf(address string) []string {
	if a.address == address {
		return a.facets
	}
	a.address, a.facets = address, nil
	if read, err := netip.ParseAddr(address); err == nil {
		a.facets = []string{facet(facetAddress, read.Unmap().String()), facet(facetNetwork, network(read)), facet(facetSide, side(read))}
	}
	return a.facets
}

// boundTo is whose pod a token is of. One that somebody made is its maker's, whatever its name.
func (t *tenant) boundTo(pod Subject) string {
	if maker := t.maker(pod); maker != "" {
		return makerMark + strings.TrimPrefix(maker, "\x00")
	}
	workload, _ := t.workload(pod)
	return shape(workload) // each run of a pipeline has a pod of another name
}

// product is what a user agent names first, without its version.
func product(userAgent string) string {
	name, _, _ := strings.Cut(userAgent, "/")
	name, _, _ = strings.Cut(name, " ")
	return name
}

// network that an address is of, about as large as what one site or provider has.
func network(address netip.Addr) string {
	address = address.Unmap()
	bits := 16
	if address.Is6() {
		bits = 32
	}
	prefix, err := address.Prefix(bits)
	if err != nil { // a zone
		return address.String()
	}
	return prefix.String()
}

func side(address netip.Addr) string {
	if beyond(address) {
		return sideOutside
	}
	return sideInside
}

// beyond says whether an address is beyond the cluster and the networks around it.
func beyond(address netip.Addr) bool {
	address = address.Unmap()
	return address.IsGlobalUnicast() && !address.IsPrivate()
}

// Origin tells how what an actor's requests come with since a moment compares with what they
// came with until a day before it, in several hours or for weeks. Nothing is new of an actor that was not known then.
type Origin struct {
	// Known is for how long before the moment the actor was.
	Known time.Duration
	// NewAddress, NewNetwork and NewClient are the first that it never used; empty for none.
	NewAddress, NewNetwork, NewClient string
	// Networks, Clients and Workloads (whose pods its tokens were bound to) count those that it used.
	Networks, Clients, Workloads int
	// LeftPod: its tokens were always bound to pods, and one that is not is used.
	// OtherWorkload is the first to whose pods a token is bound that none was before.
	LeftPod       bool
	OtherWorkload string
	// LeftInside: it connects from outside, and never did.
	LeftInside bool
	// Age of the youngest that its requests come with, addresses aside.
	Age time.Duration
	// Outside: it connects from outside. Seen: it made requests since the moment.
	Outside, Seen bool
	// Crowded: so much was seen of it that what it rarely came with may be forgotten.
	Crowded bool
}

// fewWorkloads have the accounts that programs use; those of pipelines have many.
const fewWorkloads = 2

// AsEver says that the actor was known, and that all that its requests come with has been for weeks, the
// networks and not the addresses. The client, which is its own word, can only be in the way of that.
func (o Origin) AsEver() bool {
	return o.Seen && o.Known > 0 && o.Age >= usualSince && !o.Crowded && o.NewNetwork == "" && o.NewClient == "" && !o.LeftPod && o.OtherWorkload == "" && !o.LeftInside
}

// Strange says that it comes so differently that nothing which is usual of the actor explains what it does.
func (o Origin) Strange() bool {
	return o.LeftPod || o.LeftInside || o.NewClient != "" && (o.NewNetwork != "" || o.Workloads > 0 && o.Clients <= fewClients)
}

// fewClients have programs.
const fewClients = 2

// Origin compares what an actor (a username) comes with.
func (m *Memory) Origin(namespace, actor string, since time.Time) Origin {
	m.mu.Lock()
	defer m.mu.Unlock()
	var o Origin
	t, ok := m.tenants[namespace]
	if !ok {
		return o
	}
	owner := t.origins.owners[bounded(actor)]
	if owner == nil {
		return o
	}
	if owner.first != 0 && owner.first < since.Add(-settling).UnixMicro() {
		o.Known = since.Sub(moment(owner.first))
	}
	_, o.Crowded = t.origins.age(bounded(actor), since)
	o.compare(owner, since)
	return o
}

// compare goes through all that an actor came with; an owner has a bounded number of habits.
func (o *Origin) compare(owner *owner, since time.Time) {
	o.Age = Horizon
	var bound, inside values
	for h := range owner.habits() {
		kind, value, _ := strings.Cut(h.what, "\x00")
		before, now := h.settled(since), h.last >= since.UnixMicro()
		o.Seen = o.Seen || now
		if now && kind != facetAddress {
			o.Age = min(o.Age, max(since.Sub(moment(h.first)), 0))
		}
		switch kind {
		case facetPod:
			bound.add(value != "", before, now)
			o.Workloads += one(before && value != "")
			newer(&o.OtherWorkload, value, before, now)
		case facetAddress:
			newer(&o.NewAddress, value, before, now)
		case facetNetwork:
			o.Networks += one(before)
			newer(&o.NewNetwork, value, before, now)
		case facetClient:
			o.Clients += one(before)
			newer(&o.NewClient, value, before, now)
		case facetSide:
			inside.add(value == sideInside, before, now)
		}
	}
	o.Outside = inside.notNow
	o.conclude(bound, inside)
}

// conclude from all of it. With nothing to compare with, nothing is new.
func (o *Origin) conclude(bound, inside values) {
	known := o.Known > 0
	o.LeftPod, o.LeftInside = known && bound.left(), known && inside.left()
	if !known || !bound.before || o.Workloads > fewWorkloads {
		o.OtherWorkload = ""
	}
	if !known || o.Networks == 0 {
		o.NewAddress, o.NewNetwork = "", ""
	}
	if !known || o.Clients == 0 {
		o.NewClient = ""
	}
}

// values that one thing had, which is so or not.
type values struct{ before, notBefore, notNow bool }

func (v *values) add(so, before, now bool) {
	v.before = v.before || so && before
	v.notBefore = v.notBefore || !so && before
	v.notNow = v.notNow || !so && now
}

// left: it always was so, and is not.
func (v values) left() bool { return v.before && !v.notBefore && v.notNow }

func newer(found *string, value string, before, now bool) {
	if now && !before && (*found == "" || value < *found) {
		*found = value
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
