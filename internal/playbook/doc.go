// Package playbook compiles playbooks against a catalog of operations, and runs
// them on plain values: which questions to ask, what the answers weigh, which
// actions to propose. It asks and does nothing itself.
package playbook
