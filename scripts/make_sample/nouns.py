"""Common nouns, one row a concept, one column a language.

Columns: concept classes | eng | spa gender | eus | ind | jav | tur | zho classifier | fin.
`*` before the concept: held out of train. English `sg/pl`; Turkish `stem/stem before vowel`;
Finnish: nominative, genitive, partitive singular, partitive plural, strong stem (the one before
the possessive suffix). Basque `!` marks a final r that doubles. Places add the Finnish local
forms in/to/from, and the English preposition.
Classes: H human, A animal, T thing, R readable, W written by one person, K can be washed, O can be
opened, F food, M food (mass), D drink (mass), V vehicle, B building that can be built or bought, P place.
"""
# ruff: noqa: E501 -- a table row is one line, however long

NOUNS = """
doctor H | doctor | médico m | mediku | dokter | dokter | doktor | 医生 位 | lääkäri lääkärin lääkäriä lääkäreitä lääkäri
teacher H | teacher | profesor m | irakasle | guru | guru | öğretmen | 老师 位 | opettaja opettajan opettajaa opettajia opettaja
student H | student | estudiante m | ikasle | murid | murid | öğrenci | 学生 个 | oppilas oppilaan oppilasta oppilaita oppilaa
farmer H | farmer | agricultor m | nekazari | petani | petani | çiftçi | 农民 个 | maanviljelijä maanviljelijän maanviljelijää maanviljelijöitä maanviljelijä
writer H | writer | escritor m | idazle | penulis | panulis | yazar | 作家 位 | kirjailija kirjailijan kirjailijaa kirjailijoita kirjailija
*singer H | singer | cantante m | abeslari | penyanyi | penyanyi | şarkıcı | 歌手 位 | laulaja laulajan laulajaa laulajia laulaja
driver H | driver | conductor m | gidari | sopir | sopir | şoför | 司机 位 | kuljettaja kuljettajan kuljettajaa kuljettajia kuljettaja
nurse H | nurse | enfermera f | erizain | perawat | perawat | hemşire | 护士 位 | sairaanhoitaja sairaanhoitajan sairaanhoitajaa sairaanhoitajia sairaanhoitaja
engineer H | engineer | ingeniero m | ingeniari | insinyur | insinyur | mühendis | 工程师 位 | insinööri insinöörin insinööriä insinöörejä insinööri
*journalist H | journalist | periodista m | kazetari | wartawan | wartawan | gazeteci | 记者 位 | toimittaja toimittajan toimittajaa toimittajia toimittaja
child H | child/children | niño m | haur! | anak | bocah | çocuk/çocuğ | 孩子 个 | lapsi lapsen lasta lapsia lapse
woman H | woman/women | mujer f | emakume | perempuan | wanita | kadın | 女人 个 | nainen naisen naista naisia naise
man H | man/men | hombre m | gizon | pria | priya | adam | 男人 个 | mies miehen miestä miehiä miehe
friend H | friend | amigo m | lagun | teman | kanca | arkadaş | 朋友 个 | ystävä ystävän ystävää ystäviä ystävä
king H | king | rey m | errege | raja | raja | kral | 国王 位 | kuningas kuninkaan kuningasta kuninkaita kuninkaa
neighbor H | neighbor | vecino m | auzokide | tetangga | tangga | komşu | 邻居 个 | naapuri naapurin naapuria naapureita naapuri
*fisherman H | fisherman/fishermen | pescador m | arrantzale | nelayan | nelayan | balıkçı | 渔夫 个 | kalastaja kalastajan kalastajaa kalastajia kalastaja
soldier H | soldier | soldado m | soldadu | tentara | prajurit | asker | 士兵 个 | sotilas sotilaan sotilasta sotilaita sotilaa
judge H | judge | juez m | epaile | hakim | hakim | yargıç/yargıc | 法官 位 | tuomari tuomarin tuomaria tuomareita tuomari
merchant H | merchant | comerciante m | merkatari | pedagang | bakul | tüccar | 商人 个 | kauppias kauppiaan kauppiasta kauppiaita kauppiaa
*thief H | thief/thieves | ladrón m | lapur! | pencuri | maling | hırsız | 小偷 个 | varas varkaan varasta varkaita varkaa
mother H | mother | madre f | ama | ibu | ibu | anne | 母亲 位 | äiti äidin äitiä äitejä äiti
father H | father | padre m | aita | ayah | bapak | baba | 父亲 位 | isä isän isää isiä isä
dog A | dog | perro m | txakur! | anjing | asu | köpek/köpeğ | 狗 只 | koira koiran koiraa koiria koira
cat A | cat | gato m | katu | kucing | kucing | kedi | 猫 只 | kissa kissan kissaa kissoja kissa
horse A | horse | caballo m | zaldi | kuda | jaran | at | 马 匹 | hevonen hevosen hevosta hevosia hevose
bird A | bird | pájaro m | txori | burung | manuk | kuş | 鸟 只 | lintu linnun lintua lintuja lintu
*cow A | cow | vaca f | behi | sapi | sapi | inek/ineğ | 牛 头 | lehmä lehmän lehmää lehmiä lehmä
animal A | animal | animal m | animalia | hewan | kewan | hayvan | 动物 只 | eläin eläimen eläintä eläimiä eläime
book TRW | book | libro m | liburu | buku | buku | kitap/kitab | 书 本 | kirja kirjan kirjaa kirjoja kirja
letter TRW | letter | carta f | gutun | surat | layang | mektup/mektub | 信 封 | kirje kirjeen kirjettä kirjeitä kirjee
newspaper TR | newspaper | periódico m | egunkari | koran | koran | gazete | 报纸 份 | sanomalehti sanomalehden sanomalehteä sanomalehtiä sanomalehte
*magazine TR | magazine | revista f | aldizkari | majalah | majalah | dergi | 杂志 本 | aikakauslehti aikakauslehden aikakauslehteä aikakauslehtiä aikakauslehte
car TVO | car | coche m | auto | mobil | montor | araba | 汽车 辆 | auto auton autoa autoja auto
bicycle TV | bicycle | bicicleta f | bizikleta | sepeda | pit | bisiklet | 自行车 辆 | polkupyörä polkupyörän polkupyörää polkupyöriä polkupyörä
vehicle T | vehicle | vehículo m | ibilgailu | kendaraan | kendharaan | taşıt | 交通工具 个 | ajoneuvo ajoneuvon ajoneuvoa ajoneuvoja ajoneuvo
table TK | table | mesa f | mahai | meja | meja | masa | 桌子 张 | pöytä pöydän pöytää pöytiä pöytä
chair TK | chair | silla f | aulki | kursi | kursi | sandalye | 椅子 把 | tuoli tuolin tuolia tuoleja tuoli
door O | door | puerta f | ate | pintu | lawang | kapı | 门 扇 | ovi oven ovea ovia ove
window O | window | ventana f | leiho | jendela | jendhela | pencere | 窗户 扇 | ikkuna ikkunan ikkunaa ikkunoita ikkuna
bag TKO | bag | bolso m | poltsa | tas | tas | çanta | 包 个 | laukku laukun laukkua laukkuja laukku
knife TK | knife/knives | cuchillo m | aizto | pisau | lading | bıçak/bıçağ | 刀 把 | veitsi veitsen veistä veitsiä veitse
phone T | phone | teléfono m | telefono | telepon | telpon | telefon | 电话 部 | puhelin puhelimen puhelinta puhelimia puhelime
picture T | picture | cuadro m | koadro | gambar | gambar | resim/resm | 画 幅 | kuva kuvan kuvaa kuvia kuva
key T | key | llave f | giltza | kunci | kunci | anahtar | 钥匙 把 | avain avaimen avainta avaimia avaime
boat TV | boat | barco m | itsasontzi | perahu | prau | tekne | 船 条 | vene veneen venettä veneitä venee
*shirt TK | shirt | camisa f | alkandora | kemeja | klambi | gömlek/gömleğ | 衬衫 件 | paita paidan paitaa paitoja paita
hat TK | hat | sombrero m | kapela | topi | topi | şapka | 帽子 顶 | hattu hatun hattua hattuja hattu
*umbrella T | umbrella | paraguas m | aterki | payung | payung | şemsiye | 伞 把 | sateenvarjo sateenvarjon sateenvarjoa sateenvarjoja sateenvarjo
box TKO | box/boxes | caja f | kaxa | kotak | kothak | kutu | 盒子 个 | laatikko laatikon laatikkoa laatikoita laatikko
lamp T | lamp | lámpara f | lanpara | lampu | lampu | lamba | 灯 盏 | lamppu lampun lamppua lamppuja lamppu
bottle TKO | bottle | botella f | botila | botol | botol | şişe | 瓶子 个 | pullo pullon pulloa pulloja pullo
apple F | apple | manzana f | sagar! | apel | apel | elma | 苹果 个 | omena omenan omenaa omenoita omena
*banana F | banana | plátano m | platano | pisang | gedhang | muz | 香蕉 根 | banaani banaanin banaania banaaneja banaani
orange F | orange | naranja f | laranja | jeruk | jeruk | portakal | 橙子 个 | appelsiini appelsiinin appelsiinia appelsiineja appelsiini
fruit F | fruit | fruta f | fruitu | buah | woh | meyve | 水果 个 | hedelmä hedelmän hedelmää hedelmiä hedelmä
egg F | egg | huevo m | arrautza | telur | endhog | yumurta | 鸡蛋 个 | muna munan munaa munia muna
fish F | fish/fish | pescado m | arrain | ikan | iwak | balık/balığ | 鱼 条 | kala kalan kalaa kaloja kala
bread M | bread | pan m | ogi | roti | roti | ekmek/ekmeğ | 面包 个 | leipä leivän leipää leipiä leipä
rice M | rice | arroz m | arroz | nasi | sega | pilav | 米饭 碗 | riisi riisin riisiä riisejä riisi
*soup M | soup | sopa f | zopa | sup | sop | çorba | 汤 碗 | keitto keiton keittoa keittoja keitto
meat M | meat | carne f | haragi | daging | daging | et | 肉 块 | liha lihan lihaa lihoja liha
coffee D | coffee | café m | kafe | kopi | kopi | kahve | 咖啡 杯 | kahvi kahvin kahvia kahveja kahvi
tea D | tea | té m | te | teh | teh | çay | 茶 杯 | tee teen teetä teitä tee
milk D | milk | leche f | esne | susu | susu | süt | 牛奶 杯 | maito maidon maitoa maitoja maito
water D | water | agua f | ur | air | banyu | su | 水 杯 | vesi veden vettä vesiä vete
house PBO | house | casa f | etxe | rumah | omah | ev | 房子 座 | talo talon taloa taloja talo | talossa taloon talosta in
school PBO | school | escuela f | eskola | sekolah | sekolah | okul | 学校 所 | koulu koulun koulua kouluja koulu | koulussa kouluun koulusta at
market P | market | mercado m | azoka | pasar | pasar | pazar | 市场 个 | tori torin toria toreja tori | torilla torille torilta at
park P | park | parque m | parke | taman | taman | park | 公园 座 | puisto puiston puistoa puistoja puisto | puistossa puistoon puistosta in
clinic PB | clinic | clínica f | klinika | klinik | klinik | klinik/kliniğ | 诊所 家 | klinikka klinikan klinikkaa klinikoita klinikka | klinikalla klinikalle klinikalta at
office P | office | oficina f | bulego | kantor | kantor | ofis | 办公室 间 | toimisto toimiston toimistoa toimistoja toimisto | toimistossa toimistoon toimistosta in
village P | village | pueblo m | herri | desa | desa | köy | 村子 个 | kylä kylän kylää kyliä kylä | kylässä kylään kylästä in
*library P | library | biblioteca f | liburutegi | perpustakaan | perpustakaan | kütüphane | 图书馆 座 | kirjasto kirjaston kirjastoa kirjastoja kirjasto | kirjastossa kirjastoon kirjastosta in
kitchen P | kitchen | cocina f | sukalde | dapur | pawon | mutfak/mutfağ | 厨房 间 | keittiö keittiön keittiötä keittiöitä keittiö | keittiössä keittiöön keittiöstä in
garden P | garden | jardín m | lorategi | kebun | kebon | bahçe | 花园 座 | puutarha puutarhan puutarhaa puutarhoja puutarha | puutarhassa puutarhaan puutarhasta in
station P | station | estación f | geltoki | stasiun | stasiun | istasyon | 车站 座 | asema aseman asemaa asemia asema | asemalla asemalle asemalta at
shop PBO | shop | tienda f | denda | toko | toko | dükkân | 商店 家 | kauppa kaupan kauppaa kauppoja kauppa | kaupassa kauppaan kaupasta in
*museum PBO | museum | museo m | museo | museum | museum | müze | 博物馆 座 | museo museon museota museoita museo | museossa museoon museosta in
beach P | beach/beaches | playa f | hondartza | pantai | pesisir | plaj | 海滩 片 | ranta rannan rantaa rantoja ranta | rannalla rannalle rannalta on
hotel PBO | hotel | hotel m | hotel | hotel | hotel | otel | 酒店 家 | hotelli hotellin hotellia hotelleja hotelli | hotellissa hotelliin hotellista in
restaurant PO | restaurant | restaurante m | jatetxe | restoran | restoran | restoran | 餐馆 家 | ravintola ravintolan ravintolaa ravintoloita ravintola | ravintolassa ravintolaan ravintolasta in
factory PBO | factory/factories | fábrica f | lantegi | pabrik | pabrik | fabrika | 工厂 座 | tehdas tehtaan tehdasta tehtaita tehtaa | tehtaassa tehtaaseen tehtaasta in
"""

#: noun -> more general noun. Every held-out noun's hypernym is in train.
HYPERNYMS = {
    "dog": "animal",
    "cat": "animal",
    "horse": "animal",
    "cow": "animal",
    "bird": "animal",
    "apple": "fruit",
    "banana": "fruit",
    "orange": "fruit",
    "car": "vehicle",
    "bicycle": "vehicle",
    "boat": "vehicle",
}
