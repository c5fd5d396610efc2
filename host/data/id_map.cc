#include "host/data/id_map.h"
