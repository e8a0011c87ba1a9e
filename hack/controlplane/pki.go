package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const validity = 365 * 24 * time.Hour

// pki is the folder with the keys and certificates of one control plane.
type pki string

func (p pki) cert(name string) string { return filepath.Join(string(p), name+".crt") }
func (p pki) key(name string) string  { return filepath.Join(string(p), name+".key") }

// certificates that the CA signs, beside the ServiceAccount key.
var certificates = []x509.Certificate{
	servingCertificate(apiServer),
	// For whoever receives audit events on this machine.
	servingCertificate("audit-webhook"),
	clientCertificate("admin", "system:masters"),
	clientCertificate("system:kube-controller-manager"),
	clientCertificate("system:kube-scheduler"),
	clientCertificate("system:node:"+nodeName(1), "system:nodes"),
	clientCertificate("system:node:"+nodeName(2), "system:nodes"),
}

func servingCertificate(name string) x509.Certificate {
	return x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}

func clientCertificate(user string, groups ...string) x509.Certificate {
	return x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// create makes everything once: a control plane that is started again on the
// same data must honour the tokens it signed before.
func (p pki) create() error {
	if _, err := os.Stat(p.cert("admin")); err == nil {
		return nil
	}
	if err := os.MkdirAll(string(p), 0o700); err != nil {
		return err
	}
	if _, err := p.newKey("service-account"); err != nil {
		return err
	}
	ca, caKey, err := p.newCA()
	if err != nil {
		return err
	}
	for _, template := range certificates {
		name := fileName(template.Subject.CommonName)
		key, err := p.newKey(name)
		if err != nil {
			return err
		}
		template.KeyUsage = x509.KeyUsageDigitalSignature
		if err := p.sign(name, &template, ca, key, caKey); err != nil {
			return err
		}
	}
	return nil
}

func (p pki) newCA() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := p.newKey("ca")
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "controlplane-ca"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	return template, key, p.sign("ca", template, template, key, key)
}

func (p pki) sign(name string, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = time.Now().Add(validity)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	return writePEM(p.cert(name), "CERTIFICATE", der)
}

func (p pki) newKey(name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(p.key(name), "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// fileName is the name of the component or node that has a user name.
func fileName(commonName string) string {
	return commonName[strings.LastIndex(commonName, ":")+1:]
}
