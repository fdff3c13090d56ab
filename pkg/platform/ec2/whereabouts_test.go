package ec2

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/aws/awstest"
)

func TestMetadataTellsWhereAnInstanceIs(t *testing.T) {
	const zone, region = `"us-west-2a"`, `"us-west-2"`
	for name, row := range map[string]struct {
		replace []string // in the identity document
		items   map[string]string
		want    Whereabouts
	}{
		"in an Availability Zone": {
			nil, map[string]string{"placement/availability-zone-id": "usw2-az1", "instance-life-cycle": "spot"},
			Whereabouts{Region: "us-west-2", Partition: "aws", Zone: "us-west-2a", ZoneID: "usw2-az1", ZoneType: "availability-zone", Lifecycle: "spot"},
		},
		"in a Local Zone": {
			[]string{zone, `"us-west-2-lax-1a"`}, map[string]string{"placement/availability-zone-id": "usw2-lax1-az1"},
			Whereabouts{Region: "us-west-2", Partition: "aws", Zone: "us-west-2-lax-1a", ZoneID: "usw2-lax1-az1", ZoneType: "local-zone"},
		},
		"in a Wavelength Zone": {
			[]string{zone, `"us-east-1-wl1-bos-wlz-1"`, region, `"us-east-1"`}, nil,
			Whereabouts{Region: "us-east-1", Partition: "aws", Zone: "us-east-1-wl1-bos-wlz-1", ZoneType: "wavelength-zone"},
		},
		"on an Outpost, in a partition of a placement group": {
			nil, map[string]string{"outpost-arn": "arn:aws:outposts:us-west-2:1:outpost/op-1", "placement/group-name": "ring", "placement/partition-number": "3"},
			Whereabouts{Region: "us-west-2", Partition: "aws", Zone: "us-west-2a", ZoneType: "availability-zone", OutpostARN: "arn:aws:outposts:us-west-2:1:outpost/op-1", PlacementGroup: "ring", PartitionNumber: "3"},
		},
		"in China": {
			[]string{zone, `"cn-north-1b"`, region, `"cn-north-1"`}, nil,
			Whereabouts{Region: "cn-north-1", Partition: "aws-cn", Zone: "cn-north-1b", ZoneType: "availability-zone"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := awstest.NewIMDS()
			for _, item := range []string{"placement/availability-zone-id", "instance-life-cycle", "outpost-arn", "placement/group-name", "placement/partition-number"} {
				s.Remove("meta-data/" + item)
			}
			s.Set("dynamic/instance-identity/document", strings.NewReplacer(row.replace...).Replace(awstest.Document))
			for item, value := range row.items {
				s.Set("meta-data/"+item, value)
			}
			server := httptest.NewServer(http.HandlerFunc(s.ServeHTTP))
			t.Cleanup(server.Close)
			getenv := func(name string) string {
				if name == "AWS_EC2_METADATA_SERVICE_ENDPOINT" {
					return server.URL
				}
				return ""
			}
			got, problems, err := Locate(t.Context(), Options{Getenv: getenv, Log: slog.New(slog.DiscardHandler)})
			if err != nil || len(problems) > 0 {
				t.Fatal(problems, err)
			}
			row.want.InstanceID, row.want.InstanceType, row.want.ImageID = got.InstanceID, "m5.large", got.ImageID
			if d := cmp.Diff(row.want, got); d != "" || got.InstanceID == "" || got.ImageID == "" {
				t.Errorf("got %+v: %s", got, d)
			}
		})
	}
}
