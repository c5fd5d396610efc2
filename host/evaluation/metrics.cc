#include "host/models/model.h"
