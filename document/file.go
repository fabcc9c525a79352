package document

import (
	"context"

	"facegate/pipeline/imgproc"
)

// ReadFile is Read of a picture file.
func (r *Reader) ReadFile(ctx context.Context, data []byte) (Document, error) {
	m, err := imgproc.Decode(data)
	if err != nil {
		return Document{}, err
	}
	return r.Read(ctx, m)
}
