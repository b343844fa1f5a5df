# Warnings are errors; ccache and mold are used where they are installed.
add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Wnon-virtual-dtor
                    -Wold-style-cast -Woverloaded-virtual -Werror -fno-omit-frame-pointer
                    -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=) # what fails says src/…, wherever it was built
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these inside the standard library's own inlined code (GCC bugs 105562, 105651, 107852), and the last
  # where it has inlined one half of Asio's pair of coroutine frame operators.
  add_compile_options(-Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds
                      -Wno-stringop-overread -Wno-dangling-pointer -Wno-mismatched-new-delete -fcoroutines)
endif()
if(TANDEM_SANITIZE)
  add_compile_options(-fsanitize=${TANDEM_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TANDEM_SANITIZE})
endif()
set(TANDEM_TEST_ENVIRONMENT "")
find_program(ADDR2LINE addr2line)
if(TANDEM_SANITIZE STREQUAL "thread" AND ADDR2LINE)  # tells a race's file and line: clang brings nothing that does
  set(TANDEM_TEST_ENVIRONMENT TSAN_OPTIONS=external_symbolizer_path=${ADDR2LINE})
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
