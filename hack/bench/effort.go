package main

import "time"

// effort is processor time: of the operator, and of the API server with etcd.
type effort struct{ operator, server time.Duration }

func (b *bench) effort() (effort, error) {
	operator, err := b.operator.ProcessorTime()
	if err != nil {
		return effort{}, err
	}
	server, err := b.cluster.ProcessorTime()
	return effort{operator, server}, err
}

// since tells what each of n things has cost, which says more than a rate does
// where something else loads the machine.
func (b *bench) since(before effort, name string, n int) error {
	now, err := b.effort()
	if err != nil {
		return err
	}
	b.figures.set("operator_cpu_ms_per_"+name, milliseconds(now.operator-before.operator)/float64(n))
	b.figures.set("server_cpu_ms_per_"+name, milliseconds(now.server-before.server)/float64(n))
	return nil
}
