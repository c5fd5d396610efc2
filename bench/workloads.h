// The workloads, one a file of its name. AllWorkloads (bench/workload.h) lists them.
#pragma once

#include "bench/workload.h"

namespace kindred {

Workload AlsWorkload();
Workload AlsScaleWorkload();
Workload SvdWorkload();
Workload LoadingWorkload();
Workload ExpressionWorkload();
Workload ClusteringWorkload();
Workload TopNWorkload();
Workload ServingWorkload();  // where the build has gRPC

}  // namespace kindred
