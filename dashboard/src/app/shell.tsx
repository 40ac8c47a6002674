/** What stands around every page: where one can go, how live it is, and how one likes to see it. */

import { ActionIcon, AppShell, Burger, Container, Group, NavLink, Text, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Ban, BookUser, LogOut, type LucideIcon, Megaphone, SquareTerminal, Upload } from "lucide-react";
import { type MouseEvent, type ReactElement, type ReactNode, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";
import { useViewer } from "../api/viewer";
import { LiveBadge } from "./live-badge";
import { LanguageMenu, SchemeToggle } from "./preferences";

const PLACES = [
  { path: "/", name: "campaigns", icon: Megaphone },
  { path: "/contacts", name: "contacts", icon: BookUser },
  { path: "/blacklist", name: "blacklist", icon: Ban },
  { path: "/import", name: "import", icon: Upload },
] as const satisfies readonly { path: string; name: string; icon: LucideIcon }[];

interface Props {
  readonly children: ReactNode;
  onSignOut(): void;
}

export function Shell({ children, onSignOut }: Props): ReactElement {
  const { t } = useTranslation();
  const [opened, { toggle, close }] = useDisclosure();
  const [path] = useLocation();
  const main = useRef<HTMLDivElement>(null);
  const viewer = useViewer();
  const place = PLACES.find(({ path: to }) => isAt(path, to)) ?? PLACES[0];
  // To go somewhere closes the menu that led there, and begins to be read at its content.
  const came = useRef(path);
  useEffect(() => {
    close();
    const [before, now] = [came.current, path].map((one) => one.split("/").slice(0, 3).join("/"));
    came.current = path;
    if (before !== now) main.current?.focus({ preventScroll: true });
  }, [path, close]);
  useEffect(() => {
    document.title = `${t(`places.${place.name}`)} · ${t("product")}`;
  }, [t, place]);

  const links = (onPhone: boolean) =>
    PLACES.map(({ path: to, name, icon: Icon }) => {
      const here = to === place.path;
      return (
        <NavLink
          key={to}
          component={Link}
          href={to}
          active={here}
          aria-current={here ? "page" : undefined}
          label={t(`places.${name}`)}
          leftSection={<Icon size={18} aria-hidden />}
          w={onPhone ? "100%" : "auto"}
          styles={onPhone ? {} : { root: { borderRadius: "var(--mantine-radius-md)" } }}
        />
      );
    });

  function toContent(event: MouseEvent): void {
    // The fragment is the page's address.
    event.preventDefault();
    main.current?.focus();
  }

  return (
    <AppShell
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
      }}
      header={{ height: 60 }}
      navbar={{ width: 260, breakpoint: "md", collapsed: { desktop: true, mobile: !opened } }}
      padding={0}
    >
      <AppShell.Header>
        <a className="skip" href="#content" onClick={toContent}>
          {t("skip")}
        </a>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap" gap="sm">
          <Group gap="sm" wrap="nowrap" miw={0}>
            <Burger
              hiddenFrom="md"
              size="sm"
              opened={opened}
              onClick={toggle}
              aria-label={t(opened ? "menu.close" : "menu.open")}
            />
            <Text component={Link} href="/" fw={700} truncate c="bright" visibleFrom="xs">
              {t("product")}
            </Text>
            <Group component="nav" aria-label={t("menu.name")} gap={4} wrap="nowrap" visibleFrom="md" ml="md">
              {links(false)}
            </Group>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <LiveBadge />
            <Tooltip label={t("places.graphiql")}>
              <ActionIcon
                component="a"
                href="/graphiql/"
                variant="default"
                size="lg"
                aria-label={t("places.graphiql")}
                visibleFrom="xs"
              >
                <SquareTerminal size={18} aria-hidden />
              </ActionIcon>
            </Tooltip>
            <LanguageMenu />
            <SchemeToggle />
            <Tooltip label={t("signOut")}>
              <ActionIcon variant="default" size="lg" aria-label={t("signOut")} onClick={onSignOut}>
                <LogOut size={18} aria-hidden />
              </ActionIcon>
            </Tooltip>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" hidden={!opened} aria-label={t("menu.name")}>
        {links(true)}
        <NavLink
          component="a"
          href="/graphiql/"
          label={t("places.graphiql")}
          leftSection={<SquareTerminal size={18} aria-hidden />}
        />
      </AppShell.Navbar>
      <AppShell.Main ref={main} tabIndex={-1} style={{ outline: "none" }}>
        <Container size="xl" px={{ base: "sm", sm: "lg" }} py="lg">
          {children}
        </Container>
        {viewer.workspace && (
          <Text component="footer" size="sm" c="dimmed" ta="center" p="md">
            {t("workspace", { workspace: viewer.workspace })}
          </Text>
        )}
      </AppShell.Main>
    </AppShell>
  );
}

/** A campaign's report is reached by the list of campaigns. */
function isAt(path: string, to: string): boolean {
  return to === "/" ? path === "/" || path.startsWith("/campaigns") : path.startsWith(to);
}
