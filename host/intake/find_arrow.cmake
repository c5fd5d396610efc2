# Sets KINDRED_BUILD_PARQUET: whether Parquet is read, by KINDRED_PARQUET and what is installed; and then makes the
# target kindred_arrow, Apache Arrow with its Parquet library. They are looked for as Apache's packages
# (libparquet-dev), then in the pyarrow wheel of KINDRED_ARROW_PYTHON, of .venv-parquet (scripts/install_deps.sh
# --parquet), or of python3.
set(KINDRED_PARQUET AUTO CACHE STRING "Parquet files: AUTO (where Arrow C++ is found), ON or OFF")
set_property(CACHE KINDRED_PARQUET PROPERTY STRINGS AUTO ON OFF)
set(KINDRED_ARROW_PYTHON "" CACHE FILEPATH "a Python that has pyarrow, whose headers and libraries are used")
if(NOT KINDRED_PARQUET MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "KINDRED_PARQUET is '${KINDRED_PARQUET}'; expected AUTO, ON or OFF")
endif()

# Sets `wheel_version` and makes kindred_arrow where this Python has a pyarrow with headers and libraries.
function(kindred_arrow_of_wheel python)
  execute_process(COMMAND "${python}" -c "import pyarrow
print(pyarrow.get_include(), pyarrow.get_library_dirs()[0], pyarrow.cpp_build_info.so_version, pyarrow.__version__, sep=';')"
    OUTPUT_VARIABLE wheel OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
  list(LENGTH wheel n_parts)
  if(NOT status EQUAL 0 OR NOT n_parts EQUAL 4)
    return()
  endif()
  list(GET wheel 0 include)
  list(GET wheel 1 folder)
  list(GET wheel 2 so_version)
  list(GET wheel 3 version)
  foreach(file ${include}/parquet/arrow/reader.h ${folder}/libarrow.so.${so_version}
      ${folder}/libparquet.so.${so_version})
    if(NOT EXISTS "${file}")
      return()
    endif()
  endforeach()
  foreach(library arrow parquet)  # a wheel has no libarrow.so to link by name
    add_library(kindred_wheel_${library} SHARED IMPORTED GLOBAL)
    set_target_properties(kindred_wheel_${library} PROPERTIES
      IMPORTED_LOCATION "${folder}/lib${library}.so.${so_version}" INTERFACE_INCLUDE_DIRECTORIES "${include}")
  endforeach()
  add_library(kindred_arrow INTERFACE IMPORTED GLOBAL)
  target_link_libraries(kindred_arrow INTERFACE kindred_wheel_parquet kindred_wheel_arrow)
  set(wheel_version "${version}" PARENT_SCOPE)
  set(wheel_folder "${folder}" PARENT_SCOPE)
endfunction()

set(missing "")
set(arrow_place "")
if(KINDRED_SANITIZE MATCHES "thread")
  set(missing "ThreadSanitizer would need an Arrow of its own")
elseif(NOT KINDRED_PARQUET STREQUAL OFF)
  find_package(Arrow CONFIG QUIET)
  find_package(Parquet CONFIG QUIET)
  if(TARGET Arrow::arrow_shared AND TARGET Parquet::parquet_shared)
    add_library(kindred_arrow INTERFACE IMPORTED GLOBAL)
    target_link_libraries(kindred_arrow INTERFACE Parquet::parquet_shared Arrow::arrow_shared)
    set(arrow_place "Arrow ${Arrow_VERSION} in ${Arrow_DIR}")
  else()
    foreach(python "${KINDRED_ARROW_PYTHON}" "${PROJECT_SOURCE_DIR}/.venv-parquet/bin/python" python3)
      if(python AND NOT TARGET kindred_arrow)
        kindred_arrow_of_wheel("${python}")
      endif()
    endforeach()
    if(TARGET kindred_arrow)
      set(arrow_place "Arrow ${wheel_version} of the wheel in ${wheel_folder}")
      list(APPEND CMAKE_INSTALL_RPATH "${wheel_folder}")
    else()
      set(missing "no Arrow C++ (scripts/install_deps.sh --parquet gets it)")
    endif()
  endif()
endif()

# A library for another C++ ABI or standard is found as well; what is used of it is tried.
if(TARGET kindred_arrow)
  if(NOT arrow_place STREQUAL KINDRED_ARROW_TRIED)
    unset(KINDRED_ARROW_LINKS CACHE)
    set(KINDRED_ARROW_TRIED "${arrow_place}" CACHE INTERNAL "the Arrow that KINDRED_ARROW_LINKS is about")
  endif()
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES kindred_arrow)
  check_cxx_source_compiles("
    #include <arrow/api.h>
    #include <arrow/io/file.h>
    #include <arrow/util/config.h>
    #include <parquet/arrow/reader.h>
    #if ARROW_VERSION_MAJOR < 21
    #error the oldest that was tried is 21
    #endif
    int main() {
      parquet::arrow::FileReaderBuilder builder;
      auto file = arrow::io::ReadableFile::Open(std::string(\"f\"));
      std::unique_ptr<parquet::arrow::FileReader> reader;
      return file.ok() && builder.Open(*file).ok() && builder.Build().Value(&reader).ok() ? 0 : 1;
    }" KINDRED_ARROW_LINKS)
  unset(CMAKE_REQUIRED_LIBRARIES)
  if(NOT KINDRED_ARROW_LINKS)
    set(missing "${arrow_place} does not compile and link with this compiler, or is older than 21")
  endif()
endif()

set(KINDRED_BUILD_PARQUET OFF)
if(KINDRED_PARQUET STREQUAL OFF)
  message(STATUS "Parquet: not read, KINDRED_PARQUET=OFF")
elseif(NOT missing)
  set(KINDRED_BUILD_PARQUET ON)
  message(STATUS "Parquet: read with ${arrow_place}")
elseif(KINDRED_PARQUET STREQUAL ON)
  message(FATAL_ERROR "KINDRED_PARQUET=ON, but Parquet cannot be read: ${missing}")
else()
  message(STATUS "Parquet: not read, ${missing}")
endif()

# The wheel's libraries export an OpenSSL of their own. What others bind to, the distribution's libcrypto among them, must
# be the distribution's, so it comes first in every program.
if(KINDRED_BUILD_PARQUET)
  add_link_options("LINKER:--push-state,--no-as-needed" "${OPENSSL_CRYPTO_LIBRARY}" "LINKER:--pop-state")
endif()
