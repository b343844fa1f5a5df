// What is wrong with a command line that the library refuses, as a person is told it.
#pragma once

#include <string>

namespace CLI {
class App;
class Error;
}  // namespace CLI

namespace tandem::app {

// Options that take numbers take nothing else: not "-1" for a count, which the library would count down from 2⁶⁴, and
// no "nan". Of a command and those below it, once all of their options are there.
void check_numbers(CLI::App& command);

// Lines for standard error, which name the command; its whole help where a command was left out.
std::string wrong_usage(const CLI::App& program, const CLI::Error& error);

}  // namespace tandem::app
