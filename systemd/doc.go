// Package systemd is how facegate is installed as services: units, users, directories, device
// rules and the configuration that fits them. docs/install.md says where each file goes.
//
// It holds no code. Its tests read the files as systemd does, and say what each service may do:
// doord has one chip's lines and one Unix socket; facegated has the cameras and the store; neither
// can reach what is the other's.
package systemd
