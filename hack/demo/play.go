package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

// play is the story: who is in it and what happened so far.
type play struct {
	*stage
	kills int

	cluster    *lab.Cluster // its own; nil if it plays on a given one
	guest      bool         // of a given cluster, which it must leave as it was
	operator   *operator
	admin      client.Client
	scheme     string // of the operator's ingest
	ingest     *http.Client
	webToken   string       // bearer token of the Falco source
	auditToken string       // bearer token of the audit source
	unanswered atomic.Int64 // requests to ingest that broke off
	auditLog   string       // file to forward audit events from; empty if the API server sends them itself

	victim   string // pod whose token is stolen
	attack   *v1alpha1.Investigation
	contain  map[string]*v1alpha1.ResponseAction // by operation
	isolated string                              // name of the isolation
	requests *lab.AuditLog                       // what the API server was asked since the attack began
}

// perform plays every scene; the first that does not go as it must ends the demo.
func (p *play) perform(ctx context.Context) error {
	type scene struct {
		title string
		play  func(context.Context) error
	}
	staging := []scene{
		{"A Kubernetes API server, with audit events sent to Tocsin", p.raiseCluster},
		{"Install Tocsin, start the operator as its own ServiceAccount, and point it to who sends", p.install},
		{"A web shop, a GitOps controller, and two people on call", p.castRoles},
		{"What is detected, who investigates, what is proposed and what is allowed", p.openTenant},
	}
	// The operator may be killed in these.
	story := []scene{
		{"The attack: the token of the shop's pod is stolen. Beside it, an ordinary rollout", p.act},
		{"What Tocsin makes of the attack", p.investigated},
		{"Containment: what may run at once, what waits for whom", p.contained},
		{"The benign twin closed by itself, with its reasons", p.twinClosed},
		{"One action is taken back", p.undone},
	}
	for i, s := range story {
		kills := p.kills*(i+1)/len(story) - p.kills*i/len(story)
		story[i].play = func(ctx context.Context) error { return p.underFire(ctx, kills, s.play) }
	}
	for _, s := range slices.Concat(staging, story, []scene{{"The log proves all of it", p.proven}}) {
		p.chapter("%s", s.title)
		if err := s.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	return nil
}

// underFire plays a scene while the operator is killed some times; it is over when both are done.
func (p *play) underFire(ctx context.Context, kills int, scene func(context.Context) error) error {
	return together(ctx, scene, func(ctx context.Context) error { return p.operator.kill(ctx, kills) })
}

// tearDown ends what the demo started and removes what it made.
func (p *play) tearDown() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if p.operator != nil {
		if err := p.operator.stop(); err != nil {
			p.say("stop the operator: %v", err)
		}
	}
	if p.cluster != nil {
		if err := p.cluster.Stop(ctx); err != nil {
			p.say("stop the cluster: %v", err)
		}
	}
	if p.guest {
		p.chapter("Remove what the demo made on this cluster")
		if err := p.leave(ctx); err != nil {
			p.say("%v", err)
		}
	}
}

func (p *play) lookAround() {
	p.chapter("It all runs on (KEEP=1). To look around")
	fmt.Fprintf(p.out, `  export PATH=%s
  export KUBECONFIG=%s        # or alice.kubeconfig, bob.kubeconfig
  kubectl -n soc get soc
  kubectl soc -n soc cases
  kubectl soc -n soc case %s
The operator's log is %s.
`, p.Path(), p.kubeconfig("admin"), p.attack.Name, p.operator.Log())
	if p.cluster != nil {
		fmt.Fprintf(p.out, "The next make demo stops all of it first; so does\n  kill %d; go -C hack/controlplane run . stop --dir %s\n", p.operator.PID(), p.File("cluster"))
		return
	}
	fmt.Fprintf(p.out, "The next make demo stops the operator, and removes all of it if it plays on this cluster again; so do\n  kill %d\n", p.operator.PID())
	for _, command := range p.removal() {
		fmt.Fprintf(p.out, "  %s\n", strings.Join(command, " "))
	}
}

// connect makes a client with the rights of an administrator, to look at what came out.
func (p *play) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", p.kubeconfig("admin"))
	if err != nil {
		return err
	}
	config.QPS = -1
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	p.admin, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

// together runs functions side by side and returns the errors of all.
func together(ctx context.Context, functions ...func(context.Context) error) error {
	errs := make([]error, len(functions))
	var group sync.WaitGroup
	for i, f := range functions {
		group.Go(func() { errs[i] = f(ctx) })
	}
	group.Wait()
	return errors.Join(errs...)
}
