#include "host/cli/command_line.h"
#include "training/commands.h"
#ifdef KINDRED_SERVING
#include "serving/commands.h"
#endif

int main(int argc, char** argv) {
  kindred::CommandLine program;
  kindred::AddDemoCommand(program);
  kindred::AddGenerateCommand(program);
  kindred::AddPrepareCommand(program);
  kindred::AddReportCommand(program);
  kindred::AddTuneCommand(program);
  kindred::AddTrainCommand(program);
  kindred::AddSegmentCommand(program);
  kindred::AddEvaluateCommand(program);
  kindred::AddRecommendCommand(program);
  kindred::AddModelsCommand(program);
#ifdef KINDRED_SERVING
  kindred::AddServeCommand(program);
  kindred::AddQueryCommand(program);
  kindred::AddItemsCommand(program);
#endif
  kindred::AddDoctorCommand(program);
  return program.Run(argc, argv);
}
