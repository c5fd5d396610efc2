#include "host/data/event_reader.h"
