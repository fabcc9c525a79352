//go:build !cgo

package match

func dots(scores, rows, probe []float32) { dotsGo(scores, rows, probe) }
