/* A host of Lua whose scripts are woken by alarms: a timer's signal has the interpreter call a function of
 * the script. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

static lua_State *state;

static void call_back(lua_State *lua, lua_Debug *unused)
{
	(void)unused;
	lua_sethook(lua, 0, 0, 0);
	lua_getglobal(lua, "on_alarm");
	lua_call(lua, 0, 0);
}

/* The interpreter looks at its hook when it is safe. */
static void on_signal(int number)
{
	(void)number;
	lua_sethook(state, call_back, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

/* alarm.every(seconds): 0 for no more */
static int every(lua_State *lua)
{
	double seconds = luaL_checknumber(lua, 1);
	struct timeval time = {(time_t)seconds, (suseconds_t)((seconds - (time_t)seconds) * 1e6)};
	struct itimerval timer = {time, time};
	if (setitimer(ITIMER_REAL, &timer, 0)) return luaL_error(lua, "setitimer");
	return 0;
}

/* alarm.wait(): until a signal came */
static int wait_for_one(lua_State *lua)
{
	(void)lua;
	pause();
	return 0;
}

static const luaL_Reg functions[] = {{"every", every}, {"wait", wait_for_one}, {0, 0}};

static const char script[] =
	"local count, work = 0, 0\n"
	"function on_alarm() count = count + 1 end\n"
	"alarm.every(0.005)\n"
	"while count < 5 do alarm.wait() end\n"
	"print('woken five times')\n"
	"local co = coroutine.wrap(function() while true do for i = 1, 1000 do work = work + i % 7 end"
	"  os.time() coroutine.yield() end end)\n"
	"while count < 10 do co() end\n"
	"alarm.every(0)\n"
	"print('interrupted at work five times', work > 0)\n";

int main(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	if (sigaction(SIGALRM, &action, 0)) return perror("sigaction"), 1;
	state = luaL_newstate();
	luaL_openlibs(state);
	luaL_newlib(state, functions);
	lua_setglobal(state, "alarm");
	if (luaL_dostring(state, script)) return fprintf(stderr, "%s\n", lua_tostring(state, -1)), 1;
	lua_close(state);
	return 0;
}
