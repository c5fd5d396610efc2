#include "host/data/dataset.h"
