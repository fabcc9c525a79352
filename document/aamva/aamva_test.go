package aamva

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facegate/document/mrz"
)

const ohio = "@\n\x1e\rANSI 636023090102DL00410280ZO03210024DLDCAD\nDCBNONE\nDCDNONE\nDBA01122024\nDCSSAMPLE\nDACJOHN\nDADMIDDLE\n" +
	"DBD12302020\nDBB01121999\nDBC1\nDAYBLU\nDAU070 in\nDAG111 N 5TH ST\nDAICOLUMBUS\nDAJOH\nDAK123456789  \nDAQ12345678\nDCF2509UN6813300000\nDCGUSA\nDAZBLN\nDAW159\nDCUNONE\r" +
	"ZOZOAN\nZOBN\r"

func TestVersions(t *testing.T) {
	john := Record{
		Issuer: "636023", Version: "09", Type: "DL", Family: "SAMPLE", First: "JOHN", Middle: "MIDDLE", Number: "12345678", Class: "D", Sex: "M",
		Eyes: "BLUE", Hair: "BLONDE", Height: "70", Weight: "159", Street: "111 N 5TH ST", City: "COLUMBUS", State: "OH", Zip: "12345-6789", Country: "USA",
		Birth: mrz.Date{Year: 1999, Month: 1, Day: 12}, Expiry: mrz.Date{Year: 2024, Month: 1, Day: 12}, Issued: mrz.Date{Year: 2020, Month: 12, Day: 30},
	}
	for _, c := range []struct {
		name, text string
		want       Record
	}{
		{"United States", ohio, john},
		{
			"Canada", "@\n\x1e\rANSI 636028080002DL00410200BC02410010DLDCSROE\nDACANNA,\nDBB19801231\nDBA20300101\nDBC2\nDAU175 cm\nDAX065\nDAKV8V 4A1\nDAQ7654321\nDCGCAN\r",
			Record{
				Issuer: "636028", Version: "08", Type: "DL", Family: "ROE", First: "ANNA", Number: "7654321", Sex: "F", Height: "175 cm", Weight: "65 kg", Zip: "V8V 4A1", Country: "CAN",
				Birth: mrz.Date{Year: 1980, Month: 12, Day: 31}, Expiry: mrz.Date{Year: 2030, Month: 1, Day: 1},
			},
		},
		{
			"first version", "@\n\x1e\rAAMVA6360000101DL00290150DLDAAPUBLIC,JOHN,Q\nDAQ9\nDBB19601116\nDBA20101116\nDBCM\nDAK432150000\r",
			Record{
				Issuer: "636000", Version: "01", Type: "DL", Family: "PUBLIC", First: "JOHN", Middle: "Q", Number: "9", Sex: "M", Zip: "43215",
				Birth: mrz.Date{Year: 1960, Month: 11, Day: 16}, Expiry: mrz.Date{Year: 2010, Month: 11, Day: 16},
			},
		},
		{
			"given names", "@\n\x1e\rANSI 6360000202ID00310100IDDCTANNA MARIA\nDCSROE\nDAQ1\nDBB02291980\nDBA02292028\r",
			Record{
				Issuer: "636000", Version: "02", Type: "ID", Family: "ROE", First: "ANNA", Middle: "MARIA", Number: "1",
				Birth: mrz.Date{Year: 1980, Month: 2, Day: 29}, Expiry: mrz.Date{Year: 2028, Month: 2, Day: 29},
			},
		},
	} {
		r, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(&c.want, r, cmpopts.IgnoreFields(Record{}, "Elements")); diff != "" || !r.Valid() {
			t.Errorf("%s: valid %v\n%s", c.name, r.Valid(), diff)
		}
	}
}

func TestWhatIsMissing(t *testing.T) {
	for id, check := range map[string]string{"DAQ": CheckNumber, "DBB": CheckBirth, "DBA": CheckExpiry} {
		for _, with := range []string{"ZZ" + id[2:], id + "NONE\nZZZ"} {
			r, err := Parse(strings.Replace(ohio, id, with, 1))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range r.Checks() {
				if c.Passed == (c.Name == check) {
					t.Errorf("without %s: %+v", id, c)
				}
			}
		}
	}
	// Somebody with a single name has it as either.
	alone := strings.NewReplacer("DCS", "ZZS", "DAC", "ZZC", "DAD", "ZZD", "DCT", "ZZT")
	for _, tt := range []struct {
		text string
		want bool
	}{{alone.Replace(ohio), false}, {strings.Replace(ohio, "DCS", "ZZS", 1), true}, {strings.Replace(alone.Replace(ohio), "ZZS", "DCS", 1), true}} {
		if r, err := Parse(tt.text); err != nil || r.Valid() != tt.want {
			t.Errorf("%q: %v, %v", tt.text, r, err)
		}
	}
	r, err := Parse(strings.Replace(ohio, "DBB01121999", "DBB13321999", 1))
	if err != nil || r.Valid() || !r.Birth.IsZero() {
		t.Errorf("the 32nd of month 13: %v, %v", r, err)
	}
}

func TestNotAAMVA(t *testing.T) {
	for _, text := range []string{"", "@", "hello", "@\n\x1e\rANSI 63602", "@\n\x1e\rXYZ 636023090102", "@ANSI " + strings.Repeat("1", MaxLen)} {
		if r, err := Parse(text); !errors.Is(err, ErrFormat) {
			t.Errorf("%.40q: %+v, %v", text, r, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(ohio)
	f.Add("@ANSI 00000000DL00000000")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if (r == nil) != (err != nil) {
			t.Fatal(r, err)
		}
		if r != nil && r.Valid() && (r.Number == "" || r.Family+r.First == "" || !r.Birth.Real()) {
			t.Fatalf("%+v is valid", r)
		}
	})
}
