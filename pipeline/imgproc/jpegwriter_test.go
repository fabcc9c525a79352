package imgproc

import (
	"encoding/binary"
	"math/bits"
)

// A jpegWriter makes JPEG files of any kind from quantised coefficients. Every Huffman code
// has eight bits and is its symbol, so that no statistics are needed.
type jpegWriter struct {
	w, h     int
	factors  [][2]int // sampling factors of each component, the first the greatest
	sof      byte
	interval int
	ids      string // of the components; "" stands for 1, 2, 3
	extra    []byte // segments behind the start
	scans    []jpegWriterScan
	coefs    func(c, bx, by int) *block // in zigzag order

	out     []byte
	acc     uint64
	n       int
	pred    [3]int32
	eobRun  int
	pending []byte // correction bits of the blocks in eobRun
}

type jpegWriterScan struct {
	comps          []int
	ss, se, ah, al int
}

func oneScan(comps int) []jpegWriterScan {
	return []jpegWriterScan{{[]int{0, 1, 2}[:comps], 0, 63, 0, 0}}
}

func scanEach(comps int) (s []jpegWriterScan) {
	for c := range comps {
		s = append(s, jpegWriterScan{[]int{c}, 0, 63, 0, 0})
	}
	return s
}

// progression uses all there is: interleaved and single DC scans, bands, and refinement of
// both kinds.
func progression(comps int) []jpegWriterScan {
	s := []jpegWriterScan{{[]int{0, 1, 2}[:comps], 0, 0, 0, 2}}
	for c := range comps {
		s = append(s, jpegWriterScan{[]int{c}, 1, 5, 0, 2}, jpegWriterScan{[]int{c}, 6, 63, 0, 1})
	}
	s = append(s, jpegWriterScan{[]int{0, 1, 2}[:comps], 0, 0, 2, 1})
	for c := range comps {
		s = append(s, jpegWriterScan{[]int{c}, 1, 5, 2, 1}, jpegWriterScan{[]int{c}, 1, 63, 1, 0}, jpegWriterScan{[]int{c}, 0, 0, 1, 0})
	}
	return s
}

// noisyCoefs are coefficients of a picture with structure at all scales.
func noisyCoefs(c, bx, by int) *block {
	var b block
	seed := uint32(bx*7919+by*104729+c*1299709) * 2654435761
	b[0] = int32(60*c) - int32((bx*bx+3*by*bx+by)%90)
	for k := 1; k < 64; k++ {
		seed = seed*1664525 + 1013904223
		if v := int32(seed>>24) % 23; v < 12 && (seed>>8)%uint32(k+2) < 2 {
			b[k] = (v - 6) * 3 / int32(1+k/8)
		}
	}
	if (bx+by)%5 == 0 { // blocks without AC coefficients make runs
		b = block{b[0]}
	}
	return &b
}

func (j *jpegWriter) encode() []byte {
	j.out = append([]byte{0xff, 0xd8}, j.extra...)
	quant := []byte{0}
	for k := range 64 {
		quant = append(quant, byte(3+k/3))
	}
	j.segment(mDQT, quant)
	head := []byte{8, byte(j.h >> 8), byte(j.h), byte(j.w >> 8), byte(j.w), byte(len(j.factors))}
	for i, f := range j.factors {
		head = append(head, j.id(i), byte(f[0]<<4|f[1]), 0)
	}
	j.segment(j.sof, head)
	for _, class := range []byte{0x00, 0x10} {
		table := append([]byte{class}, "\x00\x00\x00\x00\x00\x00\x00\xff\x00\x00\x00\x00\x00\x00\x00\x00"...)
		for v := range 255 {
			table = append(table, byte(v))
		}
		j.segment(mDHT, table)
	}
	if j.interval > 0 {
		j.segment(mDRI, []byte{byte(j.interval >> 8), byte(j.interval)})
	}
	for i := range j.scans {
		j.scan(&j.scans[i])
	}
	return append(j.out, 0xff, mEOI)
}

func (j *jpegWriter) id(i int) byte {
	if j.ids != "" {
		return j.ids[i]
	}
	return byte(i + 1)
}

func (j *jpegWriter) segment(m byte, body []byte) {
	j.out = append(j.out, 0xff, m)
	j.out = binary.BigEndian.AppendUint16(j.out, uint16(len(body)+2))
	j.out = append(j.out, body...)
}

func (j *jpegWriter) scan(s *jpegWriterScan) {
	head := []byte{byte(len(s.comps))}
	for _, c := range s.comps {
		head = append(head, j.id(c), 0)
	}
	j.segment(mSOS, append(head, byte(s.ss), byte(s.se), byte(s.ah<<4|s.al)))
	hMax, vMax := j.factors[0][0], j.factors[0][1]
	mcus, restarts := 0, byte(0)
	j.pred = [3]int32{}
	next := func() { // begins an MCU
		if j.interval > 0 && mcus > 0 && mcus%j.interval == 0 {
			j.flush()
			j.out = append(j.out, 0xff, mRST0+restarts)
			restarts = (restarts + 1) & 7
			j.pred = [3]int32{}
		}
		mcus++
	}
	if len(s.comps) == 1 {
		c := s.comps[0]
		w, h := (j.w*j.factors[c][0]+hMax-1)/hMax, (j.h*j.factors[c][1]+vMax-1)/vMax
		for by := range (h + 7) / 8 {
			for bx := range (w + 7) / 8 {
				next()
				j.block(s, c, bx, by)
			}
		}
	} else {
		for my := range (j.h + 8*vMax - 1) / (8 * vMax) {
			for mx := range (j.w + 8*hMax - 1) / (8 * hMax) {
				next()
				for _, c := range s.comps {
					h, v := j.factors[c][0], j.factors[c][1]
					for i := range h * v {
						j.block(s, c, mx*h+i%h, my*v+i/h)
					}
				}
			}
		}
	}
	j.flush()
}

// put writes the low n bits of v.
func (j *jpegWriter) put(v uint32, n int) {
	j.acc = j.acc<<n | uint64(v)&(1<<n-1)
	for j.n += n; j.n >= 8; j.n -= 8 {
		b := byte(j.acc >> (j.n - 8))
		j.out = append(j.out, b)
		if b == 0xff {
			j.out = append(j.out, 0)
		}
	}
}

// value writes a symbol of the given run and the bits of a value.
func (j *jpegWriter) value(run int, v int32) {
	size := bits.Len32(uint32(max(v, -v)))
	j.put(uint32(run<<4|size), 8)
	if v < 0 {
		v--
	}
	j.put(uint32(v), size)
}

func (j *jpegWriter) endRun() {
	if j.eobRun > 0 {
		n := bits.Len(uint(j.eobRun)) - 1
		j.put(uint32(n<<4), 8)
		j.put(uint32(j.eobRun), n)
		j.corrections(j.pending)
		j.eobRun, j.pending = 0, j.pending[:0]
	}
}

func (j *jpegWriter) corrections(b []byte) {
	for _, v := range b {
		j.put(uint32(v), 1)
	}
}

func (j *jpegWriter) flush() {
	j.endRun()
	if j.n > 0 {
		j.put(0xff, 8-j.n)
	}
}

func (j *jpegWriter) block(s *jpegWriterScan, c, bx, by int) {
	b := j.coefs(c, bx, by)
	switch {
	case s.ss > 0 && s.ah > 0:
		j.refine(s, b)
		return
	case s.ss == 0 && s.ah > 0:
		j.put(uint32(b[0]>>s.al), 1)
		return
	}
	k := s.ss
	if k == 0 {
		v := b[0] >> s.al
		j.value(0, v-j.pred[c])
		j.pred[c] = v
		k++
	}
	run := 0
	for ; k <= s.se; k++ {
		v := b[k] / (1 << s.al)
		if v == 0 {
			run++
			continue
		}
		j.endRun()
		for ; run > 15; run -= 16 {
			j.put(0xf0, 8)
		}
		j.value(run, v)
		run = 0
	}
	if run == 0 {
		return
	}
	if j.eobRun++; j.sof != mSOF2 || j.eobRun == 0x7fff {
		j.endRun()
	}
}

func (j *jpegWriter) refine(s *jpegWriterScan, b *block) {
	last := -1 // of the coefficients that this scan makes more than zero
	for k := s.ss; k <= s.se; k++ {
		if v := max(b[k], -b[k]) >> s.al; v == 1 {
			last = k
		}
	}
	run, own := 0, []byte(nil)
	for k := s.ss; k <= s.se; k++ {
		v := max(b[k], -b[k]) >> s.al
		if v == 0 {
			run++
			continue
		}
		for run > 15 && k <= last {
			j.endRun()
			j.put(0xf0, 8)
			j.corrections(own)
			run, own = run-16, nil
		}
		if v > 1 {
			own = append(own, byte(v&1))
			continue
		}
		j.endRun()
		j.put(uint32(run<<4|1), 8)
		sign := uint32(1)
		if b[k] < 0 {
			sign = 0
		}
		j.put(sign, 1)
		j.corrections(own)
		run, own = 0, nil
	}
	if run > 0 || len(own) > 0 {
		j.eobRun++
		j.pending = append(j.pending, own...)
		if j.eobRun == 0x7fff {
			j.endRun()
		}
	}
}
