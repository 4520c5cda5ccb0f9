#ifndef EMULATOR_ACR_H
#define EMULATOR_ACR_H

#include "emulator/inner.h"
#include "http.h"

/*
 * The sign-in of an Azure Container Registry, and nothing else of one: POST
 * /oauth2/exchange turns a token of Entra's into a refresh token of the
 * registry's. Any name is a registry, NAME.azurecr.localhost.
 */
void acr_handle(struct emu *m, struct http_exchange *x, struct str host);

#endif
