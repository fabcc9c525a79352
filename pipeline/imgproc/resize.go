package imgproc

// ResizeLinear scales src to the size of dst as OpenCV's INTER_LINEAR does: half-pixel
// centres, and no antialiasing where it shrinks. The images must not overlap.
func ResizeLinear(dst, src *Image) {
	if empty(dst, src) {
		return
	}
	if src.W == 2*dst.W && src.H == 2*dst.H {
		ResizeArea(dst, src) // OpenCV does the same
		return
	}
	interpolate(dst, src, linear)
}

// ResizeLanczos4 scales src to the size of dst as OpenCV's INTER_LANCZOS4 does, over 8 x 8
// pixels. The images must not overlap.
func ResizeLanczos4(dst, src *Image) {
	if empty(dst, src) {
		return
	}
	interpolate(dst, src, lanczos4)
}

// interpolate resamples by a kernel, columns first, keeping the rows it needs again.
func interpolate(dst, src *Image, k kernel) {
	if dst.W == src.W && dst.H == src.H {
		for y := range dst.H {
			copy(dst.row(y), src.row(y))
		}
		return
	}
	t := dst.scratch()
	t.fx.set(k, src.W, dst.W)
	t.fy.set(k, src.H, dst.H)
	n, size := 3*dst.W, t.fy.size
	t.ring = grow(t.ring, n*size)
	var held, slot [8]int32 // held: the source row in each slot of the ring, and one
	for y := range dst.H {
		idx, w := t.fy.idx[y*size:(y+1)*size], t.fy.w[y*size:(y+1)*size]
		for j, r := range idx {
			k := r % int32(size)
			slot[j] = k
			if held[k] != r+1 {
				held[k] = r + 1
				hfilter(t.ring[int(k)*n:int(k+1)*n], src.row(int(r)), &t.fx)
			}
		}
		if size == 2 {
			vlinear(dst.row(y), t.ring[int(slot[0])*n:][:n], t.ring[int(slot[1])*n:][:n], w[0], w[1])
		} else {
			vlanczos(dst.row(y), t.ring, &slot, (*[8]int32)(w))
		}
	}
}

// hfilterGo resamples one row; the result is in 1/2048.
func hfilterGo(out []int32, row []byte, t *taps) {
	for d := range t.dn {
		var r, g, b int32
		for k := d * t.size; k < (d+1)*t.size; k++ {
			p, w := row[3*t.idx[k]:], t.w[k]
			r += w * int32(p[0])
			g += w * int32(p[1])
			b += w * int32(p[2])
		}
		out[3*d], out[3*d+1], out[3*d+2] = r, g, b
	}
}

// vlinearGo mixes two rows, with the intermediate rounding of OpenCV's fixed point.
func vlinearGo(out []byte, a, b []int32, wa, wb int32) {
	for i := range out {
		out[i] = byte((wa*(a[i]>>4)>>16 + wb*(b[i]>>4)>>16 + 2) >> 2)
	}
}

// vlanczosGo mixes the eight rows of the ring that slot names.
func vlanczosGo(out []byte, ring []int32, slot, w *[8]int32) {
	for i := range out {
		s := int32(1 << 21)
		for k := range w {
			s += w[k] * ring[int(slot[k])*len(out)+i]
		}
		out[i] = clamp8(s >> 22)
	}
}

func clamp8(v int32) byte { return byte(min(max(v, 0), 255)) }
