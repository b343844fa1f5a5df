# ONNX Runtime's shared library, which predictive models run on. It is loaded when it is first needed and nothing is
# linked with it or compiled against it (docs/decisions/0018-onnx-runtime.md), so that a build without it is whole: its
# predictive models say that it is missing, and their tests that they were skipped.
set(TANDEM_ONNXRUNTIME ${CMAKE_BINARY_DIR}/onnxruntime/libonnxruntime.so.1 CACHE FILEPATH
    "Where the programs of this build look for ONNX Runtime first, by their run path; fetched there where it is missing")
option(TANDEM_FETCH_ONNXRUNTIME "Fetch ONNX Runtime while configuring" ON)
if(TANDEM_FETCH_ONNXRUNTIME AND NOT EXISTS ${TANDEM_ONNXRUNTIME})
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/fetch-onnxruntime ${TANDEM_ONNXRUNTIME} RESULT_VARIABLE failed)
  if(failed)
    message(WARNING "ONNX Runtime could not be fetched; predictive models are not served until\n"
                    "  scripts/fetch-onnxruntime ${TANDEM_ONNXRUNTIME}\nhas worked. Everything else is built and runs.")
  endif()
endif()
get_filename_component(folder ${TANDEM_ONNXRUNTIME} DIRECTORY)
list(APPEND CMAKE_BUILD_RPATH ${folder}) # an installed program has another one: Package.cmake
