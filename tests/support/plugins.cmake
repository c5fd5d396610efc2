# Libraries under the name of the plug-in, each in a folder of its own: kindred_fake_plugin (fake_plugin.cc), and two
# that cannot be used, one that is no plug-in and one that needs a library which is not there.
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/nothing.c "int kindred_nothing(void) { return 0; }\n")
function(kindred_plugin_for_tests name)
  add_library(${name} MODULE ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" OUTPUT_NAME kindred_cuda
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/plugins/${name})
endfunction()
kindred_plugin_for_tests(kindred_fake_plugin support/fake_plugin.cc)
target_link_libraries(kindred_fake_plugin PRIVATE kindred_kernels)
kindred_plugin_for_tests(kindred_no_plugin ${CMAKE_CURRENT_BINARY_DIR}/nothing.c)
add_library(kindred_absent SHARED ${CMAKE_CURRENT_BINARY_DIR}/nothing.c)
kindred_plugin_for_tests(kindred_lacking_plugin ${CMAKE_CURRENT_BINARY_DIR}/nothing.c)
target_link_options(kindred_lacking_plugin PRIVATE -Wl,--no-as-needed)
target_link_libraries(kindred_lacking_plugin PRIVATE kindred_absent)
set_target_properties(kindred_lacking_plugin PROPERTIES SKIP_BUILD_RPATH ON)

# kindred_use_plugins(TARGET): makes them, and tells the target where they are.
function(kindred_use_plugins target)
  add_dependencies(${target} kindred_fake_plugin kindred_no_plugin kindred_lacking_plugin)
  target_compile_definitions(${target} PRIVATE
    KINDRED_FAKE_PLUGIN_DIR="$<TARGET_FILE_DIR:kindred_fake_plugin>"
    KINDRED_NO_PLUGIN_DIR="$<TARGET_FILE_DIR:kindred_no_plugin>"
    KINDRED_LACKING_PLUGIN_DIR="$<TARGET_FILE_DIR:kindred_lacking_plugin>")
  if(TARGET kindred_cuda)
    add_dependencies(${target} kindred_cuda)
    target_compile_definitions(${target} PRIVATE KINDRED_CUDA_PLUGIN_DIR="$<TARGET_FILE_DIR:kindred_cuda>")
  endif()
endfunction()
