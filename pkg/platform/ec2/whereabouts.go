package ec2

import (
	"context"
	"fmt"

	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/node"
)

// Whereabouts is where an instance is and how it came there, which the machine itself
// does not show: a Region, a Local Zone, a Wavelength Zone or an Outpost look all the
// same from inside. Empty is what the instance does not have.
type Whereabouts struct {
	InstanceID   string `json:"instanceId"`
	InstanceType string `json:"instanceType"`
	Region       string `json:"region"`
	Partition    string `json:"partition,omitempty"`
	Zone         string `json:"zone,omitempty"`
	ZoneID       string `json:"zoneId,omitempty"`
	// ZoneType is one of the kinds in package node; empty for a zone whose name is of
	// none of them.
	ZoneType        string `json:"zoneType,omitempty"`
	OutpostARN      string `json:"outpostArn,omitempty"`
	Lifecycle       string `json:"lifecycle,omitempty"`
	PlacementGroup  string `json:"placementGroup,omitempty"`
	PartitionNumber string `json:"partitionNumber,omitempty"`
	ImageID         string `json:"imageId,omitempty"`
}

// Locate asks instance metadata where this instance is. It asks for as long as ctx
// allows. The problems are what it could not be told beside the identity.
func Locate(ctx context.Context, o Options) (Whereabouts, []node.Problem, error) {
	settings := imds.OptionsFromEnv(o.Getenv)
	settings.Log = o.Log
	client, err := imds.New(settings)
	if err != nil {
		return Whereabouts{}, nil, err
	}
	id, missing, err := client.Identity(ctx, imds.Need{ZoneID: true, OutpostARN: true, Lifecycle: true, PlacementGroup: true, PartitionNumber: true})
	if err != nil {
		return Whereabouts{}, nil, fmt.Errorf("cannot tell where this instance is: %w", err)
	}
	var problems []node.Problem
	for _, m := range missing {
		problems = append(problems, problem(m.Fact, m.Err))
	}
	return Whereabouts{
		InstanceID: id.InstanceID, InstanceType: id.InstanceType, Region: id.Region, Partition: id.Partition,
		Zone: id.Zone, ZoneID: id.ZoneID, ZoneType: node.ZoneType(id.Zone, id.Region), OutpostARN: id.OutpostARN,
		Lifecycle: id.Lifecycle, PlacementGroup: id.PlacementGroup, PartitionNumber: id.PartitionNumber, ImageID: id.ImageID,
	}, problems, nil
}
