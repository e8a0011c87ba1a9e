// Package analyst is the built-in engine: findings in, a verdict with its
// probability and the sum behind it out. It is pure: no cluster, no clock.
//
// Weights are log-odds. Ten decibans make an attack ten times as likely, minus
// ten a tenth. The sum of a prior and of the weights gives the probability, and
// the sum itself is the explanation.
package analyst
